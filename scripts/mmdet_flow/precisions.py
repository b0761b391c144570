"""The precisions that a network is trained and run in."""

PRECISIONS = ("fp32", "bf16", "int8")
EXACT = "fp32"
TRAINABLE = ("fp32", "bf16")
"""Those that can learn; int8 is made of a trained network."""

AUTO = "auto"
"""Stands for the one that was measured to be best."""
