"""Calibration: of 100 detections of score 0.8, 80 should be true positives."""

from dataclasses import asdict, dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Detections whose score is from ``low`` to below ``high`` (1 is in the last).

    ``score`` is their mean score and ``precision`` the fraction of true
    positives; None where there are none.
    """

    low: float
    high: float
    count: int
    score: float | None
    precision: float | None

    def row(self) -> dict:
        return asdict(self)


def reliability(score: np.ndarray, matched: np.ndarray, bins: int = BINS) -> list[Bin]:
    """Return the reliability diagram of detections (n,).

    ``matched`` (n,) says of each whether it is a true positive.
    """
    place = _bin_of(score, bins)
    found = []
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        found.append(
            Bin(
                low=number / bins,
                high=(number + 1) / bins,
                count=count,
                score=round(float(score[inside].mean()), 4) if count else None,
                precision=round(float(matched[inside].mean()), 4) if count else None,
            )
        )
    return found


def expected_calibration_error(
    score: np.ndarray, matched: np.ndarray, bins: int = BINS
) -> float | None:
    """Return how far score and precision are apart, over the bins; None for nothing.

    Each bin counts by its detections (Naeini et al., "Obtaining Well Calibrated
    Probabilities Using Bayesian Binning", 2015).
    """
    if not len(score):
        return None
    gaps = np.bincount(_bin_of(score, bins), weights=matched - score, minlength=bins)
    return round(float(np.abs(gaps).sum() / len(score)), 4)


def _bin_of(score: np.ndarray, bins: int) -> np.ndarray:
    # What a float32 lacks of a decimal number must not cost a bin.
    return np.floor(score * bins + 1e-6).astype(int).clip(0, bins - 1)
