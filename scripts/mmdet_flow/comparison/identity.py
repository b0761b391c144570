"""What tells experiments apart: annotations, and recipes but for their seed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import sha256_of
from mmdet_flow.model.course import SHORTENED
from mmdet_flow.results import ResultsFolder

NEEDED = (
    *(layout.METRICS, layout.CHECKPOINT),
    *(layout.fill(layout.SPLIT, split=name) for name in layout.SPLITS),
)


def finished(path: Path) -> ResultsFolder:
    """Return a results folder that can be compared; DataError if it is not finished."""
    return ResultsFolder(path).require(*NEEDED)


def config_of(run: ResultsFolder) -> dict:
    """Return the config of an experiment without its places, which no other has."""
    from mmdet_flow.model.changes import RUN_KEYS

    config = run.config.to_dict().items()
    return _without_places({key: one for key, one in config if key not in RUN_KEYS})


def seed_of(run: ResultsFolder) -> int | None:
    """Return the seed of weights, order and augmentation."""
    return config_of(run)["randomness"].get("seed")


def recipe_sha256(run: ResultsFolder) -> str:
    """Return what experiments have in common that differ in nothing but the seed."""
    config = _planned(run)
    config["randomness"] = {**config["randomness"], "seed": None}
    splits = {name: annotations_sha256(run.split_file(name)) for name in layout.SPLITS}
    return _sha256([config, *_begun(run), splits])


def learner_sha256(run: ResultsFolder) -> str:
    """Return what experiments have in common that learn alike, from whatever images.

    Of the config what is not fitted to them, as warm-up, augmentation, the gradients
    that an optimizer remembers, and the limits of the tests are.
    """
    config = _planned(run)
    wrapper = dict(config["optim_wrapper"])
    optimizer = wrapper.pop("optimizer")
    optimizer = {key: one for key, one in optimizer.items() if key != "betas"}
    model = {key: one for key, one in config["model"].items() if key != "test_cfg"}
    parts = [config["train_cfg"], wrapper, optimizer, config["test_dataloader"]]
    batch = config["train_dataloader"].get("batch_size")
    return _sha256([model, *parts, batch, *_begun(run)])


def _planned(run: ResultsFolder) -> dict:
    """Return the config without what the clock decided, which differs by the seed.

    What it was to keep to, the hours, stands for that.
    """
    config = dict(config_of(run))
    if SHORTENED in (run.recipe or {}):
        loop = config["train_cfg"].items()
        config["train_cfg"] = {key: one for key, one in loop if key != SHORTENED}
    return config


def _begun(run: ResultsFolder) -> list:
    """Return what a training begins with beside its config and its images."""
    recipe = run.recipe or {}
    begun = {key: recipe.get(key) for key in ("precision", "load_from")}
    if SHORTENED in recipe:
        begun["hours"] = recipe["hours"]
    return [begun, run.tiles and run.tiles["settings"]]


def _sha256(content: list) -> str:
    words = json.dumps(content, sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()


def common_name(names: Sequence[str]) -> str:
    """Return the parts that all names have: cells of cells-seed0 and cells-seed1."""
    parts = [name.split("-") for name in names]
    common = [own[0] for own in zip(*parts, strict=False) if len(set(own)) == 1]
    return "-".join(common) or f"{names[0]} and others"


def annotations_sha256(path: Path) -> str:
    """Hash images and objects of a COCO file, whatever their ids and order."""
    content = sha256_of(path)
    if content not in _known:
        _known[content] = _hash(CocoFile.read(path))
    return _known[content]


_known: dict[str, str] = {}
"""Experiments of a campaign have the same files: each content is read once."""


def _hash(coco: CocoFile) -> str:
    return _sha256([coco.classes, sorted(objects_by_name(coco).items())])


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
