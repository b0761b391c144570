"""mmdet-flow compare: finished experiments."""
