"""mmdet-flow redis: tools for the service."""
