"""Configs of the zoo, exported and fitted; training, and checkpoints."""
