"""What a model found in one image: all that writers and services get to see."""

from dataclasses import dataclass

import numpy as np


def reaches(scores: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """Return which scores (n,) are at least a threshold: a number, or one each (n,).

    This is the one comparison there is. Scores are float32, and so thresholds are
    compared as such: 0.7 keeps what a model and all files call 0.7.
    """
    return np.asarray(scores, np.float32) >= np.asarray(threshold, np.float32)


@dataclass(frozen=True)
class Detections:
    """The objects of one image, highest score first.

    Attributes:
        width, height: size of the image in pixels, after its EXIF rotation.
        boxes: (n, 4) float32, left, top, right, bottom in pixels; the right and
            bottom edges are exclusive.
        scores: (n,) float32 from 0 to 1.
        labels: (n,) int64, indices into ``classes``.
        classes: the class names.
        masks: (n, height, width) bool, or None if the model has no masks.
    """

    width: int
    height: int
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        for name, array, shape in (
            ("boxes", self.boxes, (count, 4)),
            ("scores", self.scores, (count,)),
            ("labels", self.labels, (count,)),
            ("masks", self.masks, (count, self.height, self.width)),
        ):
            if array is not None and array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float | np.ndarray) -> "Detections":
        """Return the objects with at least this score, or that of their class.

        ``score`` is a number, or float64 (classes,).
        """
        if isinstance(score, np.ndarray):
            keep = reaches(self.scores, score[self.labels])
        else:
            # They are sorted: a slice, which copies no masks.
            keep = slice(int(reaches(self.scores, score).sum()))
        return Detections(
            self.width,
            self.height,
            self.boxes[keep],
            self.scores[keep],
            self.labels[keep],
            self.classes,
            None if self.masks is None else self.masks[keep],
        )
