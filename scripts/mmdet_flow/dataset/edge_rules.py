"""Which rule wrote the corners of boxes: what the outermost of a data set tell."""

from collections.abc import Iterable, Iterator

from mmdet_flow.dataset.annotations import EDGES, Box, first_and_last
from mmdet_flow.dataset.findings import Ledger
from mmdet_flow.dataset.image_checks import CheckedImage

MANY = 5
"""So many coordinates outside an image are no accident, if all are by the same."""

FROM_THE_STRICTEST = tuple(sorted(EDGES, key=lambda rule: -first_and_last(rule)[0]))
"""Those that begin at 1 first: 0 is in no file of theirs."""


def note_edge_rule(images: Iterable[CheckedImage], edges: str, ledger: Ledger) -> None:
    """Note where the corners of boxes fit another rule of EDGES, and not this.

    Programs clip boxes at the edges of the image, so that the outermost coordinates
    tell how its first and last pixels are called.
    """
    outside, lowest, furthest, file = 0, 1.0, -1.0, ""
    first, last = first_and_last(edges)
    for one in images:
        for item in one.source.objects:
            for low, beyond in _corners(item.bbox, one.size):
                low, beyond = low + first, beyond + first - last
                # What is further out is of no rule.
                lowest = min(lowest, low) if low >= 0 else lowest
                furthest = max(furthest, beyond) if beyond <= 1 else furthest
                if 0 <= low < first or first - last < beyond <= 1:
                    outside, file = outside + 1, file or one.source.annotation.name
    fitting = (rule for rule in FROM_THE_STRICTEST if _fits(rule, lowest, furthest))
    better = next(fitting, None)
    if outside >= MANY and better:
        what = f"{outside} corners are outside by one, as if edges were {better}"
        ledger.note("edge-rule", file, "", what)


def _corners(bbox: Box, size: tuple[int, int]) -> Iterator[tuple[float, float]]:
    """Yield the lower coordinate, and how far the upper is beyond the image, twice."""
    for side in (0, 1):
        ends = bbox[side], bbox[side] + bbox[side + 2]
        yield min(ends), max(ends) - size[side]


def _fits(rule: str, lowest: float, furthest: float) -> bool:
    first, last = first_and_last(rule)
    return first <= lowest and furthest <= first - last
