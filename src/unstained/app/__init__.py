"""The web app: look at images, predictions and plates, and decide; it parses, calls the stages, shows."""
