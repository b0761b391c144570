"""A learning curve: how good models are by their images, and would be with more."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.comparison.compare import IOU_TYPES
from mmdet_flow.comparison.curve_plot import plot_curves
from mmdet_flow.comparison.identity import (
    common_name,
    learner_sha256,
    recipe_sha256,
    seed_of,
)
from mmdet_flow.comparison.map_plot import TITLES
from mmdet_flow.comparison.power_law import PowerLaw, fit
from mmdet_flow.comparison.tested import (
    Tested,
    by_test_set,
    read_tested,
    tell_other_test_sets,
)
from mmdet_flow.evaluation.bootstrap import difference_of, drawn_figures, interval_of
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.evaluation.metrics import known
from mmdet_flow.files import write_if_changed
from mmdet_flow.results import ResultsFolder
from mmdet_flow.words import counted

MORE = 30
LEAST = 3
"""Sizes that a curve takes: it has as many parameters."""

HEADER = ("curve", "kind", "labelled_images", "runs", "test_set", "test_images")
FIGURES = (
    *("mAP", "mAP_low", "mAP_high", "mAP_sd", "mAP_min", "mAP_max"),
    *("gain", "gain_low", "gain_high"),
)


@dataclass(frozen=True)
class Forecast:
    """What so many more images would give.

    Attributes:
        law: the curve through the mAP of all test images, first, and of each draw.
        images: how many there are with them.
        value: the mAP (1 + samples,) then.
        gain: how much more that is than at the end of the curve now.
    """

    law: PowerLaw = field(repr=False)
    images: int
    value: np.ndarray = field(repr=False)
    gain: dict


@dataclass(frozen=True)
class Curve:
    """The mAP of experiments that learn alike, by their labelled images.

    Attributes:
        images: (n,) how many there are, each number once, the smallest first.
        runs: the mAP of the experiments of each, which differ in their seed.
        drawn: (1 + samples, n) the mean of them: of all test images, which come first,
            and of draws of test images and of experiments.
        forecast: None where the curve says nothing of more images.
        why_not: the reason, then.
    """

    name: str
    iou_type: str
    images: np.ndarray
    runs: list[np.ndarray]
    drawn: np.ndarray = field(repr=False)
    forecast: Forecast | None = None
    why_not: str = ""


def compare_curve(
    runs: Sequence[ResultsFolder],
    more: int,
    samples: int,
    table: Path,
    picture: Path | None,
) -> None:
    """Write the learning curve as a table and a picture, and say what more would give.

    ``more`` is a number of images. An experiment with another test split than the first
    is named in a line, and left out, and so is one that repeats another. Those that
    learn alike are a curve.
    """
    tested = [read_tested(run) for run in runs]
    tell_other_test_sets(tested)
    alike = list(_each_once(by_test_set(tested)[0]))
    curves = list(curves_of(alike, more, samples))
    write_if_changed(table, curves_csv(curves, alike[0]))
    if picture:
        plot_curves(curves, picture)
    for curve in curves:
        cli.log.info("%s", in_words(curve, more))


def _each_once(experiments: Sequence[Tested]) -> Iterator[Tested]:
    """Yield those that repeat no other one, and log a line for each that does.

    With the recipe, the images and the seed of another one, a training tells nothing of
    luck: its mAP would only make that of several seeds look the same.
    """
    seen: dict[tuple, Tested] = {}
    for one in experiments:
        first = seen.setdefault((recipe_sha256(one.run), seed_of(one.run)), one)
        if first is one:
            yield one
        else:
            cli.log.warning(
                "%s: has recipe, images and seed of %s, so it is left out",
                *(one.run.path, first.run.path),
            )


def curves_of(
    experiments: Sequence[Tested], more: int, samples: int
) -> Iterator[Curve]:
    """Yield the curves of experiments with one test split, boxes before masks."""
    learners: dict[str, list[Tested]] = {}
    for one in experiments:
        learners.setdefault(learner_sha256(one.run), []).append(one)
    names = _names(learners.values())
    for name, own in zip(names, learners.values(), strict=True):
        for iou_type in IOU_TYPES:
            members = [one for one in own if iou_type in one.evaluations]
            if members:
                yield _curve(name, members, iou_type, more, samples)


def _names(curves: Collection[Sequence[Tested]]) -> list[str]:
    """Return a name for each curve: what those of its experiments have in common."""
    names = [common_name([one.run.name for one in own]) for own in curves]
    if len(set(names)) < len(names):
        return [f"{own[0].run.name} and others" for own in curves]
    return names


def _curve(
    name: str, members: list[Tested], iou_type: str, more: int, samples: int
) -> Curve:
    sizes: dict[int, list[np.ndarray]] = {}
    for one in members:
        found = one.evaluations[iou_type]
        drawn = drawn_figures(found, one.truth.classes, samples)["mAP"]
        sizes.setdefault(one.run.labelled_images, []).append(drawn)
    rng = np.random.default_rng(0)
    images = np.array(sorted(sizes))
    drawn = np.transpose([mean_of_runs(np.array(sizes[n]), rng) for n in images])
    runs = [np.array([one[0] for one in sizes[n]]) for n in images]
    forecast, why_not = look_ahead(images, drawn, more)
    return Curve(name, iou_type, images, runs, drawn, forecast, why_not)


def mean_of_runs(runs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the mean (1 + samples,) of runs (runs, 1 + samples), drawn for each draw.

    So the luck of a training counts, as far as several runs show it.
    """
    picked = rng.integers(len(runs), size=runs.shape)
    picked[:, 0] = np.arange(len(runs))
    return np.take_along_axis(runs, picked, 0).mean(0)


def look_ahead(
    images: np.ndarray, drawn: np.ndarray, more: int
) -> tuple[Forecast | None, str]:
    """Return what more images give by a curve through these, or None and the reason.

    ``images`` (n,) ascend; ``drawn`` (1 + samples, n) is the mAP of all test images and
    of each draw. A curve is fitted to each draw, so the interval is that of the fits.
    """
    if len(images) < LEAST:
        sizes = counted(len(images), "size")
        return None, (
            f"{sizes} of training data ({_listed(images)} labelled images) "
            f"cannot tell; it takes {LEAST}, as values of splits.train_fraction"
        )
    drawn = np.concatenate([drawn[:1], drawn[1:][~np.isnan(drawn[1:]).any(1)]])
    if np.isnan(drawn[0]).any():
        return None, "there is no mAP for each size"
    rise = difference_of(drawn[:, 0], drawn[:, -1])
    if rise["low"] is None:
        return None, "all objects of the test images are in one of them"
    law = fit(images, drawn)
    if rise["low"] <= 0 or law.gap[0] == 0:
        return None, (
            f"from {images[0]} to {images[-1]} images the mAP changes by "
            f"{_signed(rise)}, so it is not seen to rise"
        )
    now, then = law.at(np.array([images[-1], images[-1] + more])).T
    gain = difference_of(now, then)
    if gain["high"] - gain["low"] > rise["difference"]:
        return None, (
            "the interval of what they would give is wider than all that was gained "
            f"from {images[0]} to {images[-1]} images; measure more sizes or seeds"
        )
    return Forecast(law, int(images[-1]) + more, then, gain), ""


def _listed(images: np.ndarray) -> str:
    return ", ".join(map(str, images))


def _signed(one: dict) -> str:
    """Return a difference with its interval as text."""
    return f"{one['difference']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"


def in_words(curve: Curve, more: int) -> str:
    """Return in one line what so many more images would give, or why nobody knows."""
    head = f"{curve.name}, {TITLES[curve.iou_type]}: {more} more labelled images"
    found = curve.forecast
    if found is None:
        return f"{head}: no forecast, because {curve.why_not}"
    value, (low, high) = found.value[0], interval_of(found.value[1:])
    told = (
        f"{head} ({found.images} instead of {curve.images[-1]}) would give an mAP of "
        f"about {value:.3f} ({low:.3f} to {high:.3f}), a gain of "
        f"{_signed(found.gain)}; 95 % intervals"
    )
    if min(map(len, curve.runs)) == 1:
        told += ", without the luck of a training, which several seeds would show"
    if more > curve.images[-1]:
        told += "; so far beyond the data it is a guess"
    return told


def curves_csv(curves: Sequence[Curve], tested: Tested) -> str:
    """Return a row for each number of images of each curve, and one for its forecast.

    A gain is that over the row before; of the forecast, over the end of the curve.
    """
    types = [one for one in IOU_TYPES if any(one == curve.iou_type for curve in curves)]
    header = [*HEADER, *(f"{one}_{name}" for one in types for name in FIGURES)]
    rows: dict[tuple, dict] = {}
    for curve in curves:
        for kind, number, runs, cells in _rows(curve):
            own = rows.setdefault((curve.name, kind, number, runs), {})
            own |= {f"{curve.iou_type}_{name}": one for name, one in cells.items()}
    test = tested.test_sha256[:12], len(tested.truth.images)
    return to_csv(
        header,
        (
            [*key, *test, *(cells.get(name) for name in header[len(HEADER) :])]
            for key, cells in rows.items()
        ),
    )


def _rows(curve: Curve) -> Iterator[tuple[str, int, int | None, dict]]:
    """Yield kind, images, experiments and figures of each row of a curve."""
    for at, runs in enumerate(curve.runs):
        here = curve.drawn[:, at]
        gain = difference_of(curve.drawn[:, at - 1], here) if at else None
        yield "measured", int(curve.images[at]), len(runs), _cells(here, gain, runs)
    if found := curve.forecast:
        yield "forecast", found.images, None, _cells(found.value, found.gain)


def _cells(
    drawn: np.ndarray, gain: dict | None, runs: np.ndarray | None = None
) -> dict[str, float | None]:
    low, high = interval_of(drawn[1:]) or (None, None)
    spread: list[float | None] = [None] * 3
    if runs is not None and len(runs) > 1:
        spread = [known(one) for one in (runs.std(ddof=1), runs.min(), runs.max())]
    gains = list((gain or dict.fromkeys(("difference", "low", "high"))).values())
    return dict(
        zip(FIGURES, [known(drawn[0]), low, high, *spread, *gains], strict=True)
    )
