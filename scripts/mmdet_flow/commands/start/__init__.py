"""mmdet-flow start: before the first run."""
