"""mmdet-flow model: configs and trainings."""
