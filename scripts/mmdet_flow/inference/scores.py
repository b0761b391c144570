"""The score threshold: a number for all classes, or one for each class.

--score auto takes those of a thresholds file, which mmdet-flow evaluate thresholds
makes from images that the model was not trained on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.classes import classes_sha256, listed
from mmdet_flow.dataset.fields import named
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import StoredFile, read_json

BY_CLASS = "auto"


@dataclass(frozen=True)
class Scores:
    """Score thresholds.

    Attributes:
        value: a number for all classes, or a score by class name.
        path: the thresholds file, or None.
        model_sha256, classes_sha256: what the file is for; None if it does not say.
    """

    value: float | dict[str, float]
    path: StoredFile | None = None
    model_sha256: str | None = None
    classes_sha256: str | None = None

    @property
    def minimum(self) -> float:
        """The least of all: what is below is of no use to anybody."""
        by_class = isinstance(self.value, dict)
        return min(self.value.values()) if by_class else self.value

    def of(self, label: str) -> float:
        """Return the threshold of a class; DataError if the file has none for it."""
        if not isinstance(self.value, dict):
            return self.value
        if label not in self.value:
            raise DataError(
                f"{self.path}: is for the classes {listed(sorted(self.value))}, not "
                f"for {named(label)}; make it again with mmdet-flow evaluate thresholds"
            )
        return self.value[label]

    def is_for(self, classes: Sequence[str]) -> bool:
        """Whether these are thresholds for a class list; a number is for any."""
        return not isinstance(self.value, dict) or (
            self.classes_sha256 == classes_sha256(classes)
            and set(self.value) == set(classes)
        )

    def for_classes(
        self, classes: Sequence[str], model_sha256: str | None = None
    ) -> float | np.ndarray:
        """Return the number, or the scores (classes,) in the order of the class list.

        Raises DataError when the file is for other classes or another model.
        """
        if not isinstance(self.value, dict):
            return self.value
        again = "make it again with mmdet-flow evaluate thresholds"
        if not self.is_for(classes):
            raise DataError(
                f"{self.path}: is for the classes {listed(sorted(self.value))}, the "
                f"model has {listed(classes)}; {again}"
            )
        if None not in (model_sha256, self.model_sha256) and (
            model_sha256 != self.model_sha256
        ):
            raise DataError(
                f"{self.path}: is for another model ({self.model_sha256[:8]}, not "
                f"{model_sha256[:8]}); {again}"
            )
        each = listed([f"{name} {self.value[name]:g}" for name in classes])
        cli.log.info("score thresholds: %s", each)
        return np.array([self.value[name] for name in classes])

    def of_each_class(
        self, classes: Sequence[str], model_sha256: str | None = None
    ) -> np.ndarray:
        """Return the scores (classes,), equal ones where a number is for all.

        Raises DataError as ``for_classes`` does.
        """
        scores = self.for_classes(classes, model_sha256)
        return np.broadcast_to(np.asarray(scores, float), len(classes))


def read_scores(score: float | str, thresholds: StoredFile | None) -> Scores:
    """Return what --score and --thresholds say together."""
    if score != BY_CLASS:
        if thresholds:
            raise UsageError("--thresholds: is for --score auto; leave one of them out")
        return Scores(score)
    if not thresholds:
        raise UsageError(
            "--score auto: needs --thresholds FILE, which mmdet-flow evaluate "
            "thresholds makes from a validation split"
        )
    content = read_json(thresholds)
    try:
        value = {name: float(own) for name, own in content["scores"].items()}
        names = list(content.get("classes", value))
        origin = (content["model_sha256"], content["classes_sha256"])
        valid = all(0 <= score <= 1 for score in value.values())
        valid = valid and all(isinstance(one, str | None) for one in origin)
        valid = valid and bool(names)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        valid = False
    if not valid:
        raise DataError(
            f"{thresholds}: is not of mmdet-flow evaluate thresholds; make it with "
            "that command"
        )
    if not value:
        cli.log.warning(
            "%s: has no scores, because the model found no object; %g is taken, but "
            "train longer, or give a number as --score",
            *(thresholds, DEFAULT_SCORE),
        )
        value = dict.fromkeys(names, DEFAULT_SCORE)
    return Scores(value, thresholds, *origin)
