"""What the workflow made of an experiment, as it stands in its results folder."""

import hashlib
import json
from functools import cached_property
from pathlib import Path

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.split import SPLITS
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json, read_table, sha256_of

NEEDED = (
    *("evaluation/metrics.json", "model/config.py", "model/checkpoint.pth"),
    *(f"splits/{name}.json" for name in SPLITS),
)
ESTIMATED_AFTER = 20
"""Iterations of a job that come before its estimate, which says how many are left."""


class Experiment:
    """The results in the folder ``path``; each part is read when it is asked for.

    Raises DataError when the experiment is not finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.resolve().name
        for name in NEEDED:
            if not (path / name).is_file():
                raise DataError(
                    f"{path}: has no {name}; give the results folder of an experiment "
                    "that has run to its end"
                )

    @cached_property
    def metrics(self) -> dict:
        """The content of evaluation/metrics.json."""
        return read_json(self.path / "evaluation" / "metrics.json")

    def figure(self, kind: str, metric: str) -> float | None:
        """Return a metric of boxes ("bbox") or masks ("segm"), None for n/a."""
        return self.metrics["metrics"].get(kind, {}).get(metric)

    def interval(self, kind: str, metric: str) -> list[float] | None:
        """Return [low, high] of a metric, None where it was not estimated."""
        return self.metrics["intervals"].get(kind, {}).get(metric)

    def per_class(self, kind: str) -> dict[str, float | None]:
        """Return the mAP of each class."""
        return self.metrics["metrics"].get(kind, {}).get("per_class", {})

    def split(self, name: str) -> CocoFile:
        """Return the annotations of "train", "val" or "test"."""
        return CocoFile.read(self.path / "splits" / f"{name}.json")

    @cached_property
    def split_sha256(self) -> dict[str, str]:
        """What tells the annotations of each split from those of other experiments."""
        folder = self.path / "splits"
        return {name: annotations_sha256(folder / f"{name}.json") for name in SPLITS}

    @cached_property
    def config(self) -> dict:
        """The model config as it was trained, without the places of this experiment."""
        config = self._load_config().to_dict()
        config.pop("work_dir", None)
        return _without_places(config)

    def _load_config(self):
        from mmdet_flow.model.config import load_config

        return load_config(str(self.path / "model" / "config.py"))

    @property
    def seed(self) -> int | None:
        """The seed of weights, order and augmentation."""
        return self.config.get("randomness", {}).get("seed")

    @cached_property
    def recipe(self) -> dict:
        """What the training was begun with; empty where its work folder is gone."""
        path = self.path / "training" / "recipe.json"
        return read_json(path) if path.is_file() else {}

    @property
    def parameters(self) -> int:
        """How many numbers the model has that can be learned."""
        from mmdet_flow.model.zoo import count_weights

        return count_weights(self._load_config())

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what decided the weights, by package."""
        from mmdet_flow.model.checkpoint import load_checkpoint

        return load_checkpoint(self.path / "model" / "checkpoint.pth").versions

    @property
    def checkpoint_mb(self) -> float:
        """The size of the checkpoint in millions of bytes."""
        size = (self.path / "model" / "checkpoint.pth").stat().st_size
        return round(size / 1e6, 1)

    @property
    def train_minutes(self) -> float | None:
        """How long the training took, None if that is not known.

        That of its job; of a training that was resumed, whose last job alone is
        measured, that of all its iterations at their usual speed.
        """
        job = next((float(row["s"]) for row in self._benchmark("train_model")), None)
        path = self.path / "training" / "estimate.json"
        iterations = self._iterations()
        if path.is_file() and iterations:
            estimate = read_json(path)
            all_of_them = iterations * estimate["seconds_per_iteration"]
            seen = estimate["iterations"] + ESTIMATED_AFTER
            if job is None or seen < iterations or job < all_of_them / 2:
                job = all_of_them
        return None if job is None else round(job / 60, 2)

    def _iterations(self) -> int:
        from mmdet_flow.model.metrics import LINES, read_metrics

        lines = read_metrics(self.path / "training" / LINES)
        return max((line["iter"] for line in lines), default=0)

    def _benchmark(self, name: str) -> list[dict]:
        return read_table(self.path / "benchmarks" / f"{name}.tsv", delimiter="\t")

    @property
    def images_per_second(self) -> float | None:
        """How fast images were predicted, loading aside; None if that is not known."""
        paths = (self.path / "benchmarks").glob("predict_images-*.json")
        runs = [read_json(path) for path in paths]
        seconds = sum(run["seconds"] for run in runs)
        images = sum(run["images"] for run in runs)
        return round(images / seconds, 2) if seconds else None

    @property
    def recipe_sha256(self) -> str:
        """What experiments share that differ in nothing but the seed."""
        config = dict(self.config)
        config["randomness"] = {**config.get("randomness", {}), "seed": None}
        begun = {key: self.recipe.get(key) for key in ("precision", "load_from")}
        words = json.dumps([config, begun, self.split_sha256], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()


def annotations_sha256(path: Path) -> str:
    """Hash images and objects of a COCO file, whatever their ids and order."""
    content = sha256_of(path)
    if content not in _known:
        _known[content] = _hash(CocoFile.read(path))
    return _known[content]


_known: dict[str, str] = {}
"""Experiments of a campaign have the same files: each content is read once."""


def _hash(coco: CocoFile) -> str:
    words = json.dumps([coco.classes, sorted(objects_by_name(coco).items())])
    return hashlib.sha256(words.encode()).hexdigest()


def objects_by_name(coco: CocoFile) -> dict[str, list]:
    """Return size and objects of each image by its name; ids and order do not count."""
    names = {item["id"]: item["name"] for item in coco.categories}
    objects = coco.objects_by_image()
    return {
        image["file_name"]: [
            *(image["width"], image["height"]),
            sorted(_object(item, names) for item in objects[image["id"]]),
        ]
        for image in coco.images
    }


def _object(item: dict, names: dict[int, str]) -> str:
    """Return what of an annotation is seen by training and measuring, as text."""
    seen = [item.get(key) for key in ("bbox", "segmentation", "area")]
    return json.dumps([names[item["category_id"]], item.get("iscrowd", 0), *seen])


def _without_places(node):
    """Return a config without folders; of annotation files the name is left."""
    if isinstance(node, dict):
        return {
            key: Path(value).name
            if key == "ann_file" and isinstance(value, str)
            else _without_places(value)
            for key, value in node.items()
            if key != "data_prefix"
        }
    if isinstance(node, list | tuple):
        return [_without_places(value) for value in node]
    return node
