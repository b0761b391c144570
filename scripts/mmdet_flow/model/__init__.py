"""Model configs, training and checkpoints."""
