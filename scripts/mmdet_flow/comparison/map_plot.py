"""What pictures of the mAP over the labelled images have in common."""

from collections.abc import Sequence

import numpy as np

from mmdet_flow.figures import new_figure

TITLES = {"bbox": "boxes", "segm": "masks"}


def map_figure() -> tuple:
    """Return a figure and its axis, for the mAP over the labelled images."""
    figure = new_figure(8, 4.5)
    axis = figure.subplots()
    axis.set(xlabel="labelled images", ylabel="mAP, with 95 % interval")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)
    return figure, axis


def draw_points(
    axis,
    images: Sequence[int],
    values: Sequence[float],
    ends: Sequence[Sequence[float] | None],
    **style: object,
) -> None:
    """Draw an mAP for each number of images, with its interval if it has one."""
    known = [own or (value, value) for value, own in zip(values, ends, strict=True)]
    low, high = np.transpose(known)
    reach = np.maximum((np.array(values) - low, high - np.array(values)), 0)
    axis.errorbar(images, values, reach, capsize=3, **style)
