"""The data sets of the loaders and evaluators."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow import cli
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import DataError, ModelError
from mmdet_flow.model.fit.recipe import Recipe
from mmdet_flow.model.fit.tree import LOADERS, predicts_masks, walk

if TYPE_CHECKING:
    from mmengine.config import Config


def set_data(cfg: "Config", recipe: Recipe, classes: list[str]) -> None:
    """Point loaders and evaluators together at one data set."""
    annotations = (recipe.train, recipe.val, recipe.test)
    for key, annotation in zip(LOADERS, annotations, strict=True):
        if annotation is None:
            cfg[key] = None
            continue
        loader = cfg[key]
        loader.dataset = _fit_dataset(loader.dataset, annotation, recipe, classes)
        loader.update(
            batch_size=recipe.batch_size if key == "train_dataloader" else 1,
            # Exact repetition needs one random stream: no loader processes.
            num_workers=0,
            persistent_workers=False,
            pin_memory=False,
        )
        loader.pop("prefetch_factor", None)
    metric = ["bbox", "segm"] if predicts_masks(cfg) else "bbox"
    for key, annotation in (
        ("val_evaluator", recipe.val),
        ("test_evaluator", recipe.test),
    ):
        cfg[key] = annotation and dict(
            type="CocoMetric", ann_file=str(annotation), metric=metric
        )


def _fit_dataset(dataset: dict, annotation: Path, recipe: Recipe, classes) -> dict:
    """Return a data set of ours in the wrapping of the recipe's."""
    if dataset.type == "MultiImageMixDataset":
        # Mosaic and MixUp of the YOLOX family live in this wrapper.
        dataset.dataset = _fit_dataset(dataset.dataset, annotation, recipe, classes)
        return dataset
    leaf = next((node for node in walk(dataset) if "ann_file" in node), dataset)
    pipeline = leaf.get("pipeline") or dataset.get("pipeline")
    fitted = dict(
        type="CocoDataset",
        ann_file=str(annotation),
        data_root="",
        data_prefix=dict(img=f"{recipe.images_of(annotation)}/"),
        metainfo=dict(classes=tuple(classes), classes_sha256=classes_sha256(classes)),
        # Images without objects teach the background: none is filtered out.
        filter_cfg=None,
        test_mode=annotation is not recipe.train,
        pipeline=pipeline,
    )
    return type(dataset)(fitted)


def require_plain(split: CocoFile) -> None:
    """Refuse a file that mmdet, which reads it itself, takes in another way than we."""
    if split.departure:
        raise DataError(
            f"{split.path}: {split.departure} is not as COCO has it: training would "
            "stop there or leave it out; let mmdet-flow data convert write the file"
        )


def require_objects(train: CocoFile) -> None:
    """Refuse data without anything to learn, and name classes without an object."""
    found = {item["category_id"] for item in train.annotations if _is_learned(item)}
    if not found:
        raise DataError(
            f"{train.path}: none of its {len(train.annotations)} annotations in "
            f"{len(train.images)} images can be learned (a box of a pixel or more, not "
            "a crowd); annotate some, or choose other splits"
        )
    missing = [one["name"] for one in train.categories if one["id"] not in found]
    if missing:
        cli.log.warning(
            "%s: no object of %s, which the model cannot learn then; annotate some, or "
            "leave the class out of data.classes",
            train.path,
            ", ".join(missing),
        )


def _is_learned(annotation: dict) -> bool:
    """Whether mmdet keeps an annotation; others it leaves out without a word."""
    _, _, width, height = annotation["bbox"]
    area = annotation.get("area", width * height)
    return min(width, height) >= 1 and area > 0 and not annotation.get("iscrowd")


def require_masks(cfg: "Config", train: CocoFile) -> None:
    """Raise ModelError where a model learns masks and the data have none."""
    if predicts_masks(cfg) and not train.has_polygons:
        raise ModelError(
            f"{train.path}: has boxes without polygons, but the model learns instance "
            "masks; choose a model without masks, or annotate polygons"
        )
