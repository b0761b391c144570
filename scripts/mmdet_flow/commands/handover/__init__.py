"""mmdet-flow handover: what goes to others with a model."""
