"""What stands in the JSON files of a results folder, as types that reading checks.

A file may hold more than is named here: that is for others.
"""

from collections.abc import Container
from typing import NotRequired

from typing_extensions import TypedDict

ALL = "all"
"""Name of all classes together, where no class is called so."""


def name_apart(name: str, names: Container[str]) -> str:
    """Return a name that is none of the others: in as many brackets as it takes."""
    while name in names:
        name = f"({name})"
    return name


Range = list[float]
"""The low and the high end of an interval."""


class Figures(TypedDict):
    """The twelve figures of COCO in their order; AR_n with n detections an image."""

    mAP: float | None
    mAP_50: float | None
    mAP_75: float | None
    mAP_small: float | None
    mAP_medium: float | None
    mAP_large: float | None
    AR_1: float | None
    AR_10: float | None
    AR_100: float | None
    AR_small: float | None
    AR_medium: float | None
    AR_large: float | None


class Measured(Figures):
    per_class: dict[str, float | None]
    per_class_metrics: dict[str, Figures]


class Intervals(TypedDict):
    mAP: Range | None
    mAP_50: Range | None
    mAP_75: Range | None
    per_class: dict[str, Range | None]


class KeptIntervals(TypedDict):
    """Of the detections of a class that reach its score threshold."""

    precision: Range | None
    recall: Range | None


class AllIntervals(TypedDict):
    level: float
    samples: int
    bbox: NotRequired[Intervals]
    segm: NotRequired[Intervals]
    at_scores: NotRequired[dict[str, KeptIntervals]]


class Kept(TypedDict):
    """What the detections of a class are that reach its score threshold."""

    objects: int
    true_positives: int
    false_positives: int
    precision: float | None
    recall: float | None
    f1: float | None


class ErrorType(TypedDict):
    count: int
    mAP_50_lost: float | None


class Metrics(TypedDict):
    """``max_detections`` of a class count in an image; older results have 100.

    Where images were divided into tiles, ``without_tiles`` has the metrics of the same
    model on the whole images.
    """

    images: int
    max_detections: NotRequired[int]
    metrics: dict[str, Measured]
    without_tiles: NotRequired[dict[str, Measured]]
    intervals: AllIntervals
    iou_type: str
    iou: float
    scores: dict[str, float]
    at_scores: dict[str, Kept]
    calibration: dict[str, float | None]
    errors: dict[str, ErrorType]


class Point(TypedDict):
    """A point of the curves of precision, recall and F1."""

    score: float
    precision: float
    recall: float
    f1: float


class ClassPoints(TypedDict):
    objects: int
    f1: Point | None
    recall: Point | None
    precision: Point | None


class Wanted(TypedDict):
    recall: float
    precision: float


class Thresholds(TypedDict):
    scores: dict[str, float]
    use: str
    wanted: Wanted
    classes: dict[str, ClassPoints]
    model_sha256: str | None


def without_own(thresholds: Thresholds) -> list[str]:
    """Return the classes of which none was found, and that have the score of all."""
    return [name for name, own in thresholds["classes"].items() if not own["f1"]]


class Candidate(TypedDict):
    precision: str
    mAP: float | None
    images_per_second: float | None
    reason: str


class Precisions(TypedDict):
    model_sha256: str
    processor: str | None
    candidates: list[Candidate]
    winner: str


class Shortened(TypedDict):
    """After which iteration it was decided, and after which one a training ends."""

    iteration: int
    end: int
    planned: int
    epoch_length: int


class Recipe(TypedDict):
    """What a training was begun with; ``resumed`` is what changed later.

    ``shortened`` is what was decided to keep to ``hours``.
    """

    load_from: str | None
    sha256: NotRequired[str]
    precision: NotRequired[str]
    threads: NotRequired[int]
    cpu: NotRequired[str]
    hours: NotRequired[float]
    shortened: NotRequired[list[Shortened]]


class Stage(TypedDict):
    """A part of a training: its first iteration, from 0 on, and the seconds of one."""

    first: int
    seconds: float


class Estimate(TypedDict):
    """How fast a training is, when it had ``iterations`` of ``total`` left.

    ``validation`` is the seconds of one.
    """

    seconds_per_iteration: float
    iterations: int
    total: NotRequired[int]
    stages: NotRequired[list[Stage]]
    validation: NotRequired[float]


class Speed(TypedDict):
    """How long a prediction took, loading aside."""

    images: int
    seconds: float
    engine: str | None


class SplitCounts(TypedDict):
    images: int
    objects: int
    objects_by_class: dict[str, int]


class DataCard(TypedDict):
    splits: dict[str, SplitCounts]
    image_sizes: dict[str, int]
    box_sizes: dict[str, float]
    box_sizes_seen: dict[str, float] | None


class Counted(TypedDict):
    read: int
    written: int
    left_out: list


class Finding(TypedDict):
    check: str
    action: str


class CheckReport(TypedDict):
    images: Counted
    objects: Counted
    objects_by_class: dict[str, int]
    findings: list[Finding]


class TileSettings(TypedDict):
    """How images were divided, as the section ``tiles`` of the config says it."""

    size: int
    overlap: float
    scale: float
    full_image: bool
    min_visible: float
    empty: float
    seed: int


class TileCounts(TypedDict):
    cut: int
    kept: int
    with_objects: int
    empty: int
    left_out: int


class TiledObjects(TypedDict):
    """What the best tile of each object shows."""

    read: int
    whole: int
    cut: int
    left_out: int
    crowds: int


class TiledSplit(TypedDict):
    tiles: TileCounts
    objects: TiledObjects


class TileReport(TypedDict):
    settings: TileSettings
    side: int
    splits: dict[str, TiledSplit]


class Git(TypedDict):
    commit: str
    dirty: bool


class Workflow(TypedDict):
    name: str
    version: str
    git: Git | None


class ClassList(TypedDict):
    names: list[str]
    sha256: str


class SplitHashes(TypedDict):
    images: int
    objects: int
    annotations_sha256: str
    images_sha256: str


class Output(TypedDict):
    bytes: int
    sha256: str


class Step(TypedDict):
    rule: str
    command: str
    inputs: list[str]
    outputs: list[str]


class Predicted(TypedDict):
    images: int
    failed: int


class Packages(TypedDict):
    python: str
    main: dict[str, str]


class Record(TypedDict):
    name: str
    campaign: str | None
    round: NotRequired[int | None]
    workflow: Workflow
    config: dict | None
    seeds: dict[str, int | None]
    classes: ClassList
    data: dict[str, SplitHashes]
    training: dict | None
    predictions: Predicted
    outputs: dict[str, Output]
    steps: dict[str, Step]
    packages: Packages


class Job(TypedDict):
    started: str | None
    seconds: float


class Jobs(TypedDict):
    machine: dict
    jobs: dict[str, Job]
