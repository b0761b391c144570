"""The tables of a leaderboard, their rows, and the figures in them."""

from dataclasses import dataclass, field

RANKED_BY = "bbox_mAP"
QUALITY = (RANKED_BY, "bbox_mAP_50", "segm_mAP")
COST = (
    *("labelled_images", "train_minutes", "images_per_second"),
    *("checkpoint_mb", "parameters"),
)
CLASS = "AP_"
"""Begins the name of the figure of a class: the box mAP of its objects."""


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation, least and greatest of what seeds gave."""

    mean: float
    deviation: float
    least: float
    greatest: float


@dataclass(frozen=True)
class Row:
    """An experiment, or the mean of a group.

    Attributes:
        figures: by name; None for n/a.
        interval: [low, high] of the box mAP over the test images, of an experiment.
        spread: of the figures of a group that are known of all its members.
        members: the experiments of a group, the best first.
    """

    name: str
    figures: dict[str, float | None]
    seed: int | None = None
    interval: list[float] | None = None
    spread: dict[str, Spread] = field(default_factory=dict)
    members: tuple["Row", ...] = ()


@dataclass(frozen=True)
class Table:
    """The rows of one test set, the best first."""

    test_sha256: str
    images: int
    rows: list[Row]

    @property
    def figures(self) -> list[str]:
        """The names of all figures, in their order."""
        seen = dict.fromkeys(name for row in self.rows for name in row.figures)
        classes = [name for name in seen if name.startswith(CLASS)]
        return [*QUALITY, *classes, *COST]
