"""Train detectors with MMDetection on CPU and predict with them."""

from pathlib import Path

__version__ = "0.1.0"

ROOT = Path(__file__).resolve().parents[2]
"""The checkout of the workflow, in which the package stays when it is installed."""
