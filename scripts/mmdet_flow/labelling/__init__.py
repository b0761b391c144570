"""The loop of labelling: predictions into tools, corrections back, what comes next."""
