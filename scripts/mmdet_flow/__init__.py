"""Train detectors with MMDetection on CPU and predict with them."""

from pathlib import Path

__version__ = "0.1.0"

PACKED = Path(__file__).resolve().parent / "project"
"""In a wheel, the files of the workflow; a checkout has them around the package."""

ROOT = PACKED if PACKED.is_dir() else PACKED.parents[2]
"""The folder of the Snakefile: the checkout, or what the wheel has of it."""
