"""Coordinates that formats give as fractions of the image."""

from pathlib import Path

from mmdet_flow.dataset.annotations import Problem
from mmdet_flow.dataset.pixels import read_size

BEYOND = (-1, 2)
"""Fractions lie between these, also where an outline leaves the image a little.

Pixels do not, nor do the flags of keypoints, of which 2 is one that is seen.
"""


def with_size(
    image: Path | Problem, oriented: bool
) -> tuple[Path | Problem, tuple[int, int]]:
    """Return an image and its (width, height); a Problem if it cannot be opened.

    Without an image all is 1x1, so that its objects can be counted.
    """
    if isinstance(image, Problem):
        return image, (1, 1)
    try:
        return image, read_size(image, oriented)
    except Exception as error:
        what = f"no image: {error}"
        problem = Problem("unreadable-image", image, "", what, images=(image,))
        return problem, (1, 1)
