"""A picture of a choice of images: which they are, and where among the rest."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmdet_flow.dataset.predictions import PredictedImage
from mmdet_flow.figures import new_figure, save_figure
from mmdet_flow.fonts import drawable
from mmdet_flow.images import read_image
from mmdet_flow.labelling.ranking import Ranking

SHOWN = 12
"""Images that are drawn, the first ones of the choice."""

COLUMNS, WIDTH = 4, 240
"""Of the drawn images: how many a row, and how many pixels each is wide."""


def draw_choice(
    chosen: Sequence[PredictedImage],
    features: np.ndarray | None,
    labelled: np.ndarray | None,
    ranking: Ranking,
    path: Path,
) -> None:
    """Draw the first chosen images, and a map of all, where there are features.

    The map shows the two directions in which the features of all images differ most
    (principal components).
    """
    rows = -(-min(len(chosen), SHOWN) // COLUMNS)
    height = 2.0 * rows + (4.5 if features is not None else 0)
    figure = new_figure(9, height)
    parts = (
        figure.subfigures(2, 1, height_ratios=(4.5, 2.0 * rows))
        if features is not None
        else (None, figure)
    )
    if features is not None:
        _draw_map(parts[0].subplots(), len(chosen), features, labelled, ranking)
    axes = parts[1].subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, one in zip(axes, chosen[:SHOWN], strict=False):
        axis.imshow(_thumbnail(one.image))
        name = drawable(one.name)
        axis.set_title(name if len(name) < 28 else f"{name[:25]}...", fontsize=8)
    save_figure(figure, path)


def _draw_map(
    axis,
    count: int,
    features: np.ndarray,
    labelled: np.ndarray | None,
    ranking: Ranking,
) -> None:
    known = labelled if labelled is not None and len(labelled) else features[:0]
    places = principal_components(np.concatenate([features, known]))
    images, old = places[: len(features)], places[len(features) :]
    first = ranking.order[:count]
    groups = (
        ("not chosen", np.delete(images, first, axis=0), "lightgrey", "o"),
        ("labelled", old, "C0", "s"),
        ("chosen", images[first], "C1", "o"),
    )
    for name, points, colour, marker in groups:
        style = {"c": colour, "marker": marker, "s": 18}
        axis.scatter(*points.T, label=f"{name}: {len(points)}", **style)
    axis.set(title="what the network sees, in two principal components")
    axis.set(xticks=(), yticks=())
    axis.legend(fontsize=8)


def principal_components(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, d) as points (n, 2) along which they differ most.

    The sign of a direction, which is free, is that of its greatest weight.
    """
    centred = vectors - vectors.mean(0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    greatest = np.abs(directions).argmax(1)
    signs = np.sign(np.take_along_axis(directions, greatest[:, None], 1))
    points = centred @ (directions * signs).T
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def _thumbnail(path: Path) -> np.ndarray:
    """Return an image (height, width, 3) in RGB, of a small width."""
    import cv2

    image = read_image(path)[1]
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    return small[..., ::-1]
