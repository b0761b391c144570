"""mmdet-flow data: annotations and images."""
