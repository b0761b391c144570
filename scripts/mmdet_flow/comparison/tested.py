"""Experiments, and what they were measured on: which of them can be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mmdet_flow import cli, layout
from mmdet_flow.comparison.compare import found_for
from mmdet_flow.comparison.identity import annotations_sha256, objects_by_name
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.hashes import read_hashes
from mmdet_flow.evaluation.metrics import evaluate_coco
from mmdet_flow.results import ResultsFolder


@dataclass(frozen=True)
class Tested:
    """An experiment, and what it was measured on.

    Attributes:
        truth: the annotations of its test images.
        test_sha256: what these are, whatever their ids and order.
        pixels: the SHA-256 of each test image, as far as that is known.
    """

    run: ResultsFolder
    truth: CocoFile
    test_sha256: str
    pixels: dict[str, str] = field(repr=False)

    def is_tested_like(self, other: "Tested") -> bool:
        """Whether both were measured on the same images and annotations."""
        mine, others = self.test_sha256, other.test_sha256
        return mine == others and self.pixels == other.pixels

    @cached_property
    def evaluations(self) -> dict:
        """Its detections, matched by pycocotools, by the IoU type."""
        found = found_for(self.run, self.truth)
        types = found.iou_types(self.truth)
        return {one: evaluate_coco(self.truth, found.rows, one) for one in types}


def read_tested(run: ResultsFolder) -> Tested:
    """Return an experiment with what it was measured on."""
    truth, path = run.split("test"), run.file(layout.PIXELS)
    hashes = read_hashes(path) if path.is_file() else {}
    names = (image["file_name"] for image in truth.images)
    pixels = {name: hashes[name] for name in names if name in hashes}
    return Tested(run, truth, annotations_sha256(run.split_file("test")), pixels)


def tell_other_test_sets(experiments: Sequence[Tested]) -> None:
    """Log a line for each experiment that was measured on others than the first."""
    first = experiments[0]
    for one in experiments[1:]:
        if not one.is_tested_like(first):
            cli.log.warning("%s", _other_test_set(one, first))


def _other_test_set(one: Tested, first: Tested) -> str:
    mine, others = objects_by_name(one.truth), objects_by_name(first.truth)
    alike = sum(others.get(name) == objects for name, objects in mine.items())
    return (
        f"{one.run.name}: has another test split than {first.run.name} ({alike} of "
        f"{len(mine)} images are there with these annotations), so the two are not "
        "compared; measure both on one split"
    )


def by_test_set(experiments: Iterable[Tested]) -> list[list[Tested]]:
    """Return those that were measured alike, those of the first one first."""
    sets: list[list[Tested]] = []
    for one in experiments:
        own = next((own for own in sets if one.is_tested_like(own[0])), None)
        sets.append([one]) if own is None else own.append(one)
    return sets
