"""How far predictions can be believed: whether new fields are like those that a model was made for."""
