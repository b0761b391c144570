"""mmdet-flow step: what only the workflow calls."""
