"""How good a model is after each round of labelling, by the labelled images."""

from collections.abc import Sequence
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.compare import IOU_TYPES
from mmdet_flow.comparison.map_plot import TITLES, draw_points, map_figure
from mmdet_flow.comparison.tested import (
    Tested,
    by_test_set,
    read_tested,
    tell_other_test_sets,
)
from mmdet_flow.evaluation.bootstrap import paired_differences
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.figures import save_figure
from mmdet_flow.files import write_if_changed
from mmdet_flow.fonts import drawable
from mmdet_flow.results import ResultsFolder
from mmdet_flow.words import counted

INTERVAL = ("", "_low", "_high")


def compare_rounds(
    runs: Sequence[ResultsFolder], samples: int, table: Path, picture: Path | None
) -> None:
    """Write a row for each round, in the order given, and a picture of the mAP.

    A round is compared with the last one before it that was measured on the same test
    images; one that was measured on others than the first is named in a line.
    """
    rounds = [read_tested(run) for run in runs]
    tell_other_test_sets(rounds)
    write_if_changed(table, rounds_csv(rounds, samples))
    if picture:
        plot_rounds(by_test_set(rounds), picture)
    first, last = rounds[0].run, rounds[-1].run
    cli.log.info("%s, then %s", _told(first), _told(last))


def _told(run: ResultsFolder) -> str:
    return (
        f"{run.name}: {counted(run.labelled_images, 'labelled image')}, "
        f"box mAP {_text(run.figure('bbox', 'mAP'))}"
    )


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def rounds_csv(rounds: Sequence[Tested], samples: int) -> str:
    """Return a row for each round: images, metrics, and the gain over the one before.

    Intervals are those of ``samples`` draws of the test images, for both rounds alike.
    """
    known = [
        iou_type
        for iou_type in IOU_TYPES
        if any(one.run.figure(iou_type, "mAP") is not None for one in rounds)
    ]
    header = ["experiment", "labelled_images", "test_set", "test_images"]
    header += [
        f"{iou_type}_{name}{end}"
        for iou_type in known
        for name in ("mAP", "gain")
        for end in INTERVAL
    ]
    return to_csv(
        header,
        (
            _cells(one, _before(rounds[:at], one), known, samples)
            for at, one in enumerate(rounds)
        ),
    )


def _before(earlier: Sequence[Tested], one: Tested) -> Tested | None:
    return next((found for found in earlier[::-1] if one.is_tested_like(found)), None)


def _cells(
    one: Tested, before: Tested | None, known: Sequence[str], samples: int
) -> list:
    run, cells = one.run, []
    for iou_type in known:
        cells += [run.figure(iou_type, "mAP"), *_ends(run, iou_type)]
        gain = before and _gain(before, one, iou_type, samples)
        names = ("difference", "low", "high")
        cells += [gain[name] for name in names] if gain else [None] * len(names)
    tested = one.test_sha256[:12], len(one.truth.images)
    return [run.name, run.labelled_images, *tested, *cells]


def _gain(before: Tested, one: Tested, iou_type: str, samples: int) -> dict | None:
    """Return how much higher the mAP is than before, and its paired interval."""
    both = [tested.evaluations.get(iou_type) for tested in (before, one)]
    if None in both:
        return None
    return paired_differences(*both, one.truth.classes, samples)["mAP"]


def _ends(run: ResultsFolder, iou_type: str) -> tuple[float | None, float | None]:
    low, high = run.interval(iou_type, "mAP") or (None, None)
    return low, high


def plot_rounds(sets: Sequence[Sequence[Tested]], path: Path) -> None:
    """Draw the mAP over the labelled images: a line for each test set and IoU type."""
    figure, axis = map_figure()
    for number, rounds in enumerate(sets):
        for iou_type, title in TITLES.items():
            _plot_line(axis, rounds, iou_type, number, title, several=len(sets) > 1)
    axis.margins(0.12)
    axis.set_ylim(bottom=0)
    axis.legend()
    save_figure(figure, path)


def _plot_line(
    axis,
    rounds: Sequence[Tested],
    iou_type: str,
    number: int,
    title: str,
    several: bool,
) -> None:
    runs = [one.run for one in rounds]
    runs = [run for run in runs if run.figure(iou_type, "mAP") is not None]
    if not runs:
        return
    values = [run.figure(iou_type, "mAP") for run in runs]
    ends = [run.interval(iou_type, "mAP") for run in runs]
    images = [run.labelled_images for run in runs]
    label = f"{title}, test split {rounds[0].test_sha256[:12]}" if several else title
    color = f"C{2 * number + (iou_type != 'bbox')}"
    style = {"color": color, "fmt": "o-" if iou_type == "bbox" else "s--"}
    draw_points(axis, images, values, ends, label=label, **style)
    if iou_type == "bbox":
        for run, x, value, own in zip(runs, images, values, ends, strict=True):
            place = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center"}
            name, top = drawable(run.name), max([value, *(own or ())])
            axis.annotate(name, (x, top), parse_math=False, fontsize=8, **place)
