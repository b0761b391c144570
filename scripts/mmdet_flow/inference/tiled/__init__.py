"""Prediction by tiles: a detector of large images, made of one of small ones."""
