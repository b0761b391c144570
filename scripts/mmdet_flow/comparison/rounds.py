"""How good a model is after each round of labelling, by the labelled images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.comparison.compare import IOU_TYPES, found_for
from mmdet_flow.comparison.identity import annotations_sha256, objects_by_name
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.hashes import read_hashes
from mmdet_flow.evaluation.bootstrap import paired_differences
from mmdet_flow.evaluation.evaluate import to_csv
from mmdet_flow.evaluation.metrics import evaluate_coco
from mmdet_flow.figures import new_figure, save_figure
from mmdet_flow.files import write_if_changed
from mmdet_flow.fonts import drawable
from mmdet_flow.results import ResultsFolder

TITLES = {"bbox": "boxes", "segm": "masks"}
INTERVAL = ("", "_low", "_high")


@dataclass(frozen=True)
class Round:
    """An experiment of a round, and what it was measured on.

    Attributes:
        truth: the annotations of its test images.
        test_sha256: what these are, whatever their ids and order.
        pixels: the SHA-256 of each test image, as far as that is known.
    """

    run: ResultsFolder
    truth: CocoFile
    test_sha256: str
    pixels: dict[str, str] = field(repr=False)

    def is_tested_like(self, other: "Round") -> bool:
        """Whether both were measured on the same images and annotations."""
        mine, others = self.test_sha256, other.test_sha256
        return mine == others and self.pixels == other.pixels

    @cached_property
    def evaluations(self) -> dict:
        """Its detections, matched by pycocotools, by the IoU type."""
        found = found_for(self.run, self.truth)
        types = found.iou_types(self.truth)
        return {one: evaluate_coco(self.truth, found.rows, one) for one in types}

    def gain_over(self, other: "Round", iou_type: str, samples: int) -> dict | None:
        """Return how much higher the mAP is, and its paired interval."""
        both = [one.evaluations.get(iou_type) for one in (other, self)]
        if None in both:
            return None
        return paired_differences(*both, self.truth.classes, samples)["mAP"]


def compare_rounds(
    runs: Sequence[ResultsFolder], samples: int, table: Path, picture: Path | None
) -> None:
    """Write a row for each round, in the order given, and a picture of the mAP.

    A round is compared with the last one before it that was measured on the same test
    images; one that was measured on others than the first is named in a line.
    """
    rounds = [_read(run) for run in runs]
    for one in rounds[1:]:
        if not one.is_tested_like(rounds[0]):
            cli.log.warning("%s", _other_test_set(one, rounds[0]))
    write_if_changed(table, rounds_csv(rounds, samples))
    if picture:
        plot_rounds(_by_test_set(rounds), picture)
    first, last = rounds[0].run, rounds[-1].run
    cli.log.info("%s, then %s", _told(first), _told(last))


def _read(run: ResultsFolder) -> Round:
    truth, path = run.split("test"), run.file(layout.PIXELS)
    hashes = read_hashes(path) if path.is_file() else {}
    names = (image["file_name"] for image in truth.images)
    pixels = {name: hashes[name] for name in names if name in hashes}
    return Round(run, truth, annotations_sha256(run.split_file("test")), pixels)


def _other_test_set(one: Round, first: Round) -> str:
    mine, others = objects_by_name(one.truth), objects_by_name(first.truth)
    alike = sum(others.get(name) == objects for name, objects in mine.items())
    return (
        f"{one.run.name}: has another test split than {first.run.name} ({alike} of "
        f"{len(mine)} images are there with these annotations), so the two are not "
        "compared; measure both on one split"
    )


def _told(run: ResultsFolder) -> str:
    return (
        f"{run.name}: {run.labelled_images} labelled images, box mAP "
        f"{_text(run.figure('bbox', 'mAP'))}"
    )


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _by_test_set(rounds: Iterable[Round]) -> list[list[Round]]:
    """Return the rounds that were measured alike, those of the first one first."""
    sets: list[list[Round]] = []
    for one in rounds:
        own = next((own for own in sets if one.is_tested_like(own[0])), None)
        sets.append([one]) if own is None else own.append(one)
    return sets


def rounds_csv(rounds: Sequence[Round], samples: int) -> str:
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


def _before(earlier: Sequence[Round], one: Round) -> Round | None:
    return next((found for found in earlier[::-1] if one.is_tested_like(found)), None)


def _cells(
    one: Round, before: Round | None, known: Sequence[str], samples: int
) -> list:
    run, cells = one.run, []
    for iou_type in known:
        cells += [run.figure(iou_type, "mAP"), *_ends(run, iou_type)]
        gain = before and one.gain_over(before, iou_type, samples)
        names = ("difference", "low", "high")
        cells += [gain[name] for name in names] if gain else [None] * len(names)
    tested = one.test_sha256[:12], len(one.truth.images)
    return [run.name, run.labelled_images, *tested, *cells]


def _ends(run: ResultsFolder, iou_type: str) -> tuple[float | None, float | None]:
    low, high = run.interval(iou_type, "mAP") or (None, None)
    return low, high


def plot_rounds(sets: Sequence[Sequence[Round]], path: Path) -> None:
    """Draw the mAP over the labelled images: a line for each test set and IoU type."""
    figure = new_figure(8, 4.5)
    axis = figure.subplots()
    for number, rounds in enumerate(sets):
        for iou_type, title in TITLES.items():
            _plot_line(axis, rounds, iou_type, number, title, several=len(sets) > 1)
    axis.margins(0.12)
    axis.set(xlabel="labelled images", ylabel="mAP, with 95 % interval")
    axis.set_ylim(bottom=0)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.grid(alpha=0.3)
    axis.legend()
    save_figure(figure, path)


def _plot_line(
    axis, rounds: Sequence[Round], iou_type: str, number: int, title: str, several: bool
) -> None:
    runs = [one.run for one in rounds]
    runs = [run for run in runs if run.figure(iou_type, "mAP") is not None]
    if not runs:
        return
    values = [run.figure(iou_type, "mAP") for run in runs]
    ends = [
        run.interval(iou_type, "mAP") or (value, value)
        for run, value in zip(runs, values, strict=True)
    ]
    below = [max(v - low, 0) for v, (low, _) in zip(values, ends, strict=True)]
    above = [max(high - v, 0) for v, (_, high) in zip(values, ends, strict=True)]
    images = [run.labelled_images for run in runs]
    label = f"{title}, test split {rounds[0].test_sha256[:12]}" if several else title
    color = f"C{2 * number + (iou_type != 'bbox')}"
    style = {"color": color, "fmt": "o-" if iou_type == "bbox" else "s--"}
    axis.errorbar(images, values, (below, above), capsize=3, label=label, **style)
    if iou_type == "bbox":
        for run, x, (_, top) in zip(runs, images, ends, strict=True):
            place = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center"}
            name = drawable(run.name)
            axis.annotate(name, (x, top), parse_math=False, fontsize=8, **place)
