"""The picture of learning curves: what was measured, the curve, and the forecast."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmdet_flow.comparison.map_plot import TITLES, draw_points, map_figure
from mmdet_flow.evaluation.bootstrap import interval_of
from mmdet_flow.figures import save_figure
from mmdet_flow.fonts import drawable

if TYPE_CHECKING:
    from mmdet_flow.comparison.curve import Curve

LEGEND_ROW = 0.25
"""Inches of a row of the legend."""

STEPS = 100
"""Places of a curve that are joined by lines."""


def plot_curves(curves: Sequence["Curve"], path: Path) -> None:
    """Draw the points with their intervals, and each curve beyond them, if it says so.

    Beyond the data the curve is dashed, in the interval of all curves of the draws.
    """
    figure, axis = map_figure()
    several = len({curve.name for curve in curves}) > 1
    for number, curve in enumerate(curves):
        color = f"C{number}"
        label = TITLES[curve.iou_type]
        label = f"{curve.name}, {label}" if several else label
        label += _told(curve)
        values = curve.drawn[0]
        ends = [interval_of(column[1:]) for column in curve.drawn.T]
        fmt = "o" if curve.iou_type == "bbox" else "s"
        style = {"color": color, "fmt": fmt, "label": drawable(label)}
        draw_points(axis, curve.images, values, ends, **style)
        if curve.forecast:
            _draw_forecast(axis, curve, color)
    axis.margins(0.12)
    axis.set_ylim(bottom=0)
    # Below the axis: there it covers nothing, whatever the curves do.
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * len(curves))
    figure.legend(loc="outside lower center", frameon=False)
    save_figure(figure, path)


def _told(curve: "Curve") -> str:
    """Return what the forecast of a curve says, as the end of its label."""
    found = curve.forecast
    if not found:
        return ""
    low, high = interval_of(found.value[1:])
    images = found.images - curve.images[-1]
    return f"; with {images} more {found.value[0]:.3f} ({low:.3f} to {high:.3f})"


def _draw_forecast(axis, curve: "Curve", color: str) -> None:
    found, last = curve.forecast, curve.images[-1]
    now = np.linspace(curve.images[0], last, STEPS)
    axis.plot(now, found.law.at(now)[0], color=color)
    then = np.linspace(last, found.images, STEPS)
    drawn = found.law.at(then)
    axis.plot(then, drawn[0], "--", color=color)
    low, high = np.transpose([interval_of(column) for column in drawn[1:].T])
    axis.fill_between(then, low, high, color=color, alpha=0.2, linewidth=0)
    axis.plot(then[-1:], drawn[0, -1:], "o", color=color, markerfacecolor="white")
