"""How images come about: what light meets on its way to the camera, and what the camera makes of it."""
