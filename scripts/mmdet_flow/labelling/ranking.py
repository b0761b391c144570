"""Which images a person should label next, of what a model says and sees of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

METHODS = {
    "both": "the most uncertain images, spread over what the network sees",
    "uncertain": "the most uncertain images: the entropies of their scores",
    "spread": "images that are unlike all that is labelled or chosen (k-centre)",
    "random": "any images",
}
"""How images are chosen, and what that means."""

SOURCES = {
    "both": "two stages as in Yang et al., Plug and Play Active Learning for Object "
    "Detection (2024)",
    "uncertain": "entropy: Settles, Active Learning Literature Survey (2009); of many "
    "objects: Brust et al., Active Learning for Deep Object Detection (2019)",
    "spread": "Sener and Savarese, Active Learning for Convolutional Neural Networks: "
    "A Core-Set Approach (2018)",
    "random": "",
}
"""Where the idea of a method is from."""

AGGREGATES: dict[str, Callable[[np.ndarray], float]] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
}
"""What the entropies of the objects of an image become, as in Brust et al. (2019)."""

POOL = 4
"""So many times the images wanted are the most uncertain ones, for "both"."""


@dataclass(frozen=True)
class Method:
    """How images are chosen.

    Attributes:
        name: one of ``METHODS``.
        aggregate: one of ``AGGREGATES``.
        pool: among how many times the images wanted "both" spreads its choice.
        seed: of what is random: the order of equals, the first of "spread" where
            nothing is labelled, and "random".
    """

    name: str = "both"
    aggregate: str = "sum"
    pool: int = POOL
    seed: int = 0

    @property
    def looks(self) -> bool:
        """Whether the features of the images are needed."""
        return self.name in ("both", "spread")


@dataclass(frozen=True)
class Ranking:
    """The images in the order in which to label them.

    Attributes:
        order: positions (n,) of all images, of which the first are chosen.
        distance: how far each (n,) was from all that is labelled or was chosen before
            it, or nan where nobody looked.
    """

    order: np.ndarray
    distance: np.ndarray


def uncertainty(scores: Sequence[float], aggregate: str) -> float:
    """Return how uncertain a model is of an image, from the scores of its objects.

    That is the binary entropy of each score, in bits, aggregated; 0 without objects.
    """
    if not len(scores):
        return 0.0
    known = np.clip(np.asarray(scores, float), 1e-12, 1 - 1e-12)
    entropy = -known * np.log2(known) - (1 - known) * np.log2(1 - known)
    return float(AGGREGATES[aggregate](entropy))


def rank(
    count: int,
    method: Method,
    uncertain: np.ndarray,
    features: np.ndarray | None = None,
    labelled: np.ndarray | None = None,
) -> Ranking:
    """Rank images, of which ``count`` will be labelled.

    ``uncertain`` has the uncertainty of each (n,), ``features`` a vector each (n, d),
    and ``labelled`` those of the images that are labelled (m, d). After the chosen
    ones, the others follow: the most uncertain, or most distant, first.
    """
    total = len(uncertain)
    shuffled = np.random.default_rng(method.seed).permutation(total)
    if method.name == "random":
        return Ranking(shuffled, np.full(total, np.nan))
    # Equals stay in the order of the seed.
    by_doubt = shuffled[np.argsort(-uncertain[shuffled], kind="stable")]
    if method.name == "uncertain":
        return Ranking(by_doubt, np.full(total, np.nan))
    pool = shuffled if method.name == "spread" else by_doubt[: method.pool * count]
    chosen, distance = k_centre(features, labelled, count, pool)
    rest = by_doubt
    if method.name == "spread":
        rest = shuffled[np.argsort(-distance[shuffled], kind="stable")]
    rest = rest[~np.isin(rest, chosen)]
    return Ranking(np.concatenate([chosen, rest]), distance)


def k_centre(
    features: np.ndarray,
    centres: np.ndarray | None,
    count: int,
    pool: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose images one by one, each the one that is furthest from all centres.

    The greedy algorithm of Sener and Savarese (2018). A chosen image becomes a centre;
    where there is none, the first of the pool is chosen. Returns the positions of the
    chosen ones, of those in ``pool``, and the distance of each image (n,) to what was a
    centre when it was chosen, or at the end.
    """
    distance = np.full(len(features), np.inf)
    for centre in centres if centres is not None else ():
        distance = np.minimum(distance, _distances(features, centre))
    at_choice = np.full(len(features), np.nan)
    chosen: list[int] = []
    left = np.array(pool)
    for _ in range(min(count, len(pool))):
        place = int(np.argmax(distance[left]))
        one = int(left[place])
        left = np.delete(left, place)
        chosen.append(one)
        at_choice[one] = distance[one]
        distance = np.minimum(distance, _distances(features, features[one]))
    return np.array(chosen, int), np.where(np.isnan(at_choice), distance, at_choice)


def _distances(features: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.linalg.norm(features - centre, axis=1)
