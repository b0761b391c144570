"""A model that is ready to predict: the one way from pixels to Detections."""

import logging
import os
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mmdet_flow import __version__, cli
from mmdet_flow.dataset.classes import check_environment, classes_sha256
from mmdet_flow.detections import Detections
from mmdet_flow.errors import DataError, ModelError
from mmdet_flow.model.checkpoint import load_checkpoint

LOADING = ("LoadImageFromFile", "LoadImageFromNDArray", "LoadAnnotations")


class Detector:
    """A loaded checkpoint with its test pipeline, built once.

    Attributes:
        classes: the class names, in the order of the labels.
        meta: what every OPEX of this model says about its origin.
    """

    def __init__(
        self,
        checkpoint: Path,
        config: Path | None = None,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        """Load a model; ModelError or DataError says why it cannot be.

        ``config`` overrides the config that a published checkpoint carries.
        """
        threads = threads or cli.available_threads()
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        import cv2
        import torch

        torch.set_num_threads(threads)
        cv2.setNumThreads(1)
        loaded = load_checkpoint(checkpoint)
        check_environment(loaded.classes)
        cfg = _read_config(loaded.config, config, checkpoint)
        _check_config_classes(cfg, loaded.classes, checkpoint)
        self.classes = loaded.classes
        self.meta = {
            "model": checkpoint.name,
            "model_sha256": loaded.sha256,
            "classes_sha256": classes_sha256(loaded.classes),
            "version": f"mmdet-flow {__version__}, mmdet {version('mmdet')}",
        }
        self._device = device
        self._model = _build_model(cfg, loaded.state_dict, checkpoint, device)
        self._pipeline = _build_pipeline(cfg)

    def predict(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find the objects in images, each (height, width, 3) uint8 BGR.

        Images that have one size after resizing go through the network together;
        the others in batches of their own, so that padding never differs.
        """
        prepared = [self._prepare(image) for image in images]
        batches: dict[tuple[int, ...], list[int]] = {}
        for index, item in enumerate(prepared):
            batches.setdefault(tuple(item["inputs"].shape), []).append(index)
        found: list[Detections | None] = [None] * len(images)
        for indices in batches.values():
            for index, sample in zip(
                indices, self._infer([prepared[i] for i in indices]), strict=True
            ):
                found[index] = self._to_detections(sample, images[index].shape)
        return found

    def _prepare(self, image: np.ndarray) -> dict:
        height, width = image.shape[:2]
        return self._pipeline(
            {
                "img": image,
                "img_id": 0,
                "img_path": "",
                "img_shape": (height, width),
                "ori_shape": (height, width),
            }
        )

    def _infer(self, batch: list[dict]) -> list:
        import torch

        data = {
            "inputs": [item["inputs"] for item in batch],
            "data_samples": [item["data_samples"] for item in batch],
        }
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._model.test_step(data)

    def _to_detections(self, sample, shape: tuple[int, ...]) -> Detections:
        instances = sample.pred_instances.cpu()
        order = np.argsort(-instances.scores.numpy(), kind="stable")
        masks = instances.get("masks")
        if masks is not None:
            masks = np.asarray(masks, dtype=bool)[order]
        return Detections(
            width=shape[1],
            height=shape[0],
            boxes=instances.bboxes.numpy()[order].astype(np.float32),
            scores=instances.scores.numpy()[order].astype(np.float32),
            labels=instances.labels.numpy()[order].astype(np.int64),
            classes=self.classes,
            masks=masks,
        )


def _read_config(text: str, path: Path | None, checkpoint: Path):
    from mmengine.config import Config

    from mmdet_flow.model.export import load_config

    if path is not None:
        return load_config(str(path))
    if not text:
        raise ModelError(f"{checkpoint}: carries no config; give it with --config")
    return Config.fromstring(text, file_format=".py")


def _check_config_classes(cfg, classes: tuple[str, ...], checkpoint: Path) -> None:
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    named = tuple(dataset.get("metainfo", {}).get("classes", ()))
    if named and named != classes:
        raise DataError(
            f"{checkpoint}: was trained on {', '.join(classes)} but the config names "
            f"{', '.join(named)}; use the config of this training"
        )


def _build_model(cfg, state_dict: dict, checkpoint: Path, device: str):
    import torch
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    from mmdet_flow.model.patch import drop_pretrained

    logging.getLogger("mmengine").setLevel(logging.ERROR)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    # The checkpoint replaces the weights that the config would look for.
    drop_pretrained(cfg.model)
    try:
        model = MODELS.build(cfg.model)
    except (KeyError, TypeError) as error:
        raise ModelError(f"{checkpoint}: its model cannot be built: {error}") from error
    missing, unexpected = model.load_state_dict(state_dict, strict=False)
    if missing or unexpected:
        raise ModelError(
            f"{checkpoint}: does not fit the config: {len(missing)} weights missing, "
            f"{len(unexpected)} unexpected, e.g. {[*missing, *unexpected][0]}; use the "
            "config of this training"
        )
    return model.to(device, memory_format=torch.channels_last).eval()


def _build_pipeline(cfg):
    """Return the test pipeline for decoded images: without loading, the rest as is."""
    import mmdet.datasets.transforms  # noqa: F401  registers the transforms
    from mmengine.dataset import Compose

    steps = [
        step
        for step in cfg.test_dataloader.dataset.pipeline
        if step["type"].rpartition(".")[2] not in LOADING
    ]
    return Compose(steps)
