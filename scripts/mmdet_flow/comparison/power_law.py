"""How the mAP grows with the images: a power law, fitted by least squares.

    mAP(n) = c - a * n**-b

is how accuracy grows with the size of the training data (Figueroa et al., "Predicting
Sample Size Required for Classification Performance", 2012; Hestness et al., "Deep
Learning Scaling Is Predictable, Empirically", 2017), which Mahmood et al. ("How Much
More Data Do I Need?", 2022) extrapolate to say what more data will give. c is where it
ends, and b how fast it gets there.
"""

from dataclasses import dataclass

import numpy as np

EXPONENTS = np.geomspace(0.02, 3, 300)
"""Those that are tried: from nearly a logarithm to a curve that ends at once."""


@dataclass(frozen=True)
class PowerLaw:
    """Curves (curves,): ``limit`` - ``gap`` * (images / ``first``)**-``exponent``.

    In numbers of images of ``first``, the gap is what is missing there to the limit.
    """

    limit: np.ndarray
    gap: np.ndarray
    exponent: np.ndarray
    first: float

    def at(self, images: np.ndarray) -> np.ndarray:
        """Return the mAP (curves, n) of each curve at numbers of images (n,)."""
        ratio = np.asarray(images) / self.first
        return (
            self.limit[:, None] - self.gap[:, None] * ratio ** -self.exponent[:, None]
        )


def fit(images: np.ndarray, values: np.ndarray) -> PowerLaw:
    """Fit a curve to each row of values (curves, n) at numbers of images (n,).

    Curves rise (a >= 0), to an mAP of 1 at most. For an exponent, the best limit and
    gap are those of a linear regression, so only exponents have to be tried (variable
    projection; Golub and Pereyra, 1973), and a fit depends on no start.
    """
    scale = (images / images[0]) ** -EXPONENTS[:, None]
    centred = scale - scale.mean(1, keepdims=True)
    slope = (values - values.mean(1, keepdims=True)) @ centred.T
    gap = np.maximum(-slope / (centred**2).sum(1), 0)
    limit = values.mean(1, keepdims=True) + gap * scale.mean(1)
    ends_at_1 = (1 - values) @ scale.T / (scale**2).sum(1)
    gap, limit = np.where(limit > 1, ends_at_1, gap), np.minimum(limit, 1)
    off = values[:, None] - limit[..., None] + gap[..., None] * scale
    best = (off**2).sum(2).argmin(1)
    rows = np.arange(len(values))
    return PowerLaw(limit[rows, best], gap[rows, best], EXPONENTS[best], images[0])
