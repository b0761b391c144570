"""Train detectors with MMDetection on CPU and predict with them."""

__version__ = "0.1.0"
