"""Pictures of what was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mmdet_flow.colours import PALETTE
from mmdet_flow.evaluation.calibration import Bin
from mmdet_flow.evaluation.curves import Curve, best_f1
from mmdet_flow.figures import new_figure, save_figure
from mmdet_flow.fonts import drawable

MANY = 12
"""More classes than these have no legend, and no numbers in the matrix."""


LINES = "-", "--", ":"
"""Of the first classes, and of those whose colours are the same again."""


def plot_curves(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw precision over recall, and F1 over the score with its best points."""
    figure = new_figure(11, 4.5)
    left, right = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(curves.items()):
        style = {"color": f"C{number}", "label": drawable(name)}
        line = LINES[number // len(PALETTE) % len(LINES)]
        left.plot(curve.recall, curve.precision, line, **style)
        right.plot(curve.score, curve.f1, line, **style)
        if best := best_f1(curve):
            right.plot(best["score"], best["f1"], "o", color=style["color"])
    left.set(title="precision over recall", xlabel="recall", ylabel="precision")
    right.set(
        title="F1 over the score threshold", xlabel="score threshold", ylabel="F1"
    )
    for axis in (left, right):
        axis.set(xlim=(0, 1), ylim=(0, 1.02))
        axis.grid(alpha=0.3)
    if len(curves) <= MANY:
        _legend(left, loc="lower left")
    save_figure(figure, path)


def plot_calibration(bins: Sequence[Bin], path: Path) -> None:
    """Draw the reliability diagram: the precision of detections by score."""
    figure = new_figure(11, 4.5)
    left, right = figure.subplots(1, 2)
    filled = [one for one in bins if one.count]
    left.plot((0, 1), (0, 1), "--", color="grey", label="perfectly calibrated")
    left.plot(
        [one.score for one in filled], [one.precision for one in filled], "o-",
        label="this model",
    )  # fmt: skip
    left.set(
        title="reliability diagram", xlabel="score", ylabel="precision",
        xlim=(0, 1), ylim=(0, 1.02),
    )  # fmt: skip
    left.legend()
    width = 1 / max(len(bins), 1)
    right.bar(
        [one.low for one in bins], [one.count for one in bins], width, align="edge",
        edgecolor="white",
    )  # fmt: skip
    right.set(title="detections by score", xlabel="score", ylabel="count", xlim=(0, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    save_figure(figure, path)


def plot_errors(
    counts: Mapping[str, np.ndarray],
    cost: Mapping[str, float | None],
    classes: Sequence[str],
    path: Path,
) -> None:
    """Draw how many errors of each type there are, by class, and what they cost."""
    figure = new_figure(11, 4.5)
    left, right = figure.subplots(1, 2)
    names = list(counts)
    start = np.zeros(len(names))
    for label, name in enumerate(classes):
        values = np.array([counts[error][label] for error in names])
        left.barh(names, values, left=start, color=f"C{label}", label=drawable(name))
        start = start + values
    left.set(title="errors at the score thresholds", xlabel="count")
    right.barh(names, [cost[error] or 0 for error in names], color="grey")
    right.set(title="mAP at IoU 0.5 that each type costs", xlabel="mAP_50")
    for axis in (left, right):
        axis.invert_yaxis()
        axis.grid(alpha=0.3, axis="x")
    if len(classes) <= MANY:
        _legend(left)
    save_figure(figure, path)


def plot_confusion(matrix: np.ndarray, names: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix; the shade is the fraction of the row."""
    side = min(11, 3 + 0.6 * len(names))
    figure = new_figure(side + 1, side)
    axis = figure.subplots()
    fraction = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    picture = axis.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
    places, shown = range(len(names)), list(map(drawable, names))
    axis.set_xticks(places, shown, rotation=45, ha="right", parse_math=False)
    axis.set_yticks(places, shown, parse_math=False)
    axis.set(xlabel="predicted", ylabel="annotated", title="confusion matrix")
    if len(names) <= MANY:
        for row, column in np.ndindex(matrix.shape):
            shade = "white" if fraction[row, column] > 0.5 else "black"
            text = str(matrix[row, column])
            axis.text(column, row, text, ha="center", va="center", color=shade)
    figure.colorbar(picture, label="fraction of the annotated", shrink=0.7)
    save_figure(figure, path)


def _legend(axis, **options) -> None:
    """Add a legend of class names, which are no formulas."""
    for text in axis.legend(**options).get_texts():
        text.set_parse_math(False)
