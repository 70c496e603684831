"""What is predicted: each stain is data, from how its target is made to how its objects are found."""
