"""Curves as the points of an SVG polyline, few enough to be sent every few seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 180
"""Of a plot, in its own units."""

MOST_POINTS = 300

HUGE = 3
"""Times as high as usual: a plot of such values would show nothing of the others."""


@dataclass(frozen=True)
class Curve:
    """``points`` are of an SVG; the axis goes from 0 to ``top`` and up to ``end``.

    ``highest`` is of all values; ``is_cut`` says whether some that are drawn at the top
    are above it.
    """

    name: str
    points: str
    top: float
    end: int
    last: str
    highest: float
    is_cut: bool


def curve(
    name: str, values: Sequence[tuple[int, float]], end: int, top: float | None = None
) -> Curve | None:
    """Return the curve of (iteration, value) pairs; None where there are none.

    ``end`` is the iteration at the right border. Of many values, means are drawn. What
    is above ``top`` is drawn there; by default no more than one value in fifty is.
    """
    finite = [(x, y) for x, y in values if y == y and abs(y) != float("inf")]
    if not finite:
        return None
    thin = _thinned(finite)
    top = top or _usual_top([y for _, y in thin]) or 1.0
    end = max(end, thin[-1][0], 1)
    points = " ".join(
        f"{WIDTH * x / end:.1f},{HEIGHT * (1 - max(0.0, min(y, top)) / top):.1f}"
        for x, y in thin
    )
    return Curve(
        name=name,
        points=points,
        top=top,
        end=end,
        last=f"{finite[-1][1]:.3f}",
        highest=max(y for _, y in finite),
        is_cut=any(y > top for _, y in thin),
    )


def _usual_top(values: Sequence[float]) -> float:
    """Return the highest value, or what 98 % do not exceed where the others are huge.

    As the first losses may be.
    """
    usual = sorted(values)[-(-98 * (len(values) - 1) // 100)]
    return usual if max(values) > HUGE * usual else max(values)


def _thinned(values: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return means of as many neighbours as leave MOST_POINTS at most."""
    size = -(-len(values) // MOST_POINTS)
    groups = (values[start : start + size] for start in range(0, len(values), size))
    return [
        (group[-1][0], sum(value for _, value in group) / len(group))
        for group in groups
    ]
