"""mmdet-flow evaluate: how good a model is."""
