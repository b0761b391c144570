"""mmdet-flow label: the loop of labelling, predicting and correcting."""
