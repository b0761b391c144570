"""mmdet-flow weights: weights to start from."""
