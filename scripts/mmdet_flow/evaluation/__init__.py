"""How good a model is, in figures and pictures."""
