"""A model that is ready to predict: the one way from pixels to Detections."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mmdet_flow import __version__, cli
from mmdet_flow.dataset.classes import (
    check_environment,
    classes_sha256,
    require_same_classes,
)
from mmdet_flow.detections import Detections, Mask
from mmdet_flow.errors import FlowError, ModelError
from mmdet_flow.files import StoredFile
from mmdet_flow.imports import import_mmdet
from mmdet_flow.inference.engines import open_engine
from mmdet_flow.inference.engines.engine import EngineOptions
from mmdet_flow.inference.int8_file import read_int8
from mmdet_flow.inference.precision import precision_to_use
from mmdet_flow.memory import keep_freed_memory
from mmdet_flow.model.checkpoint import load_checkpoint
from mmdet_flow.model.config import load_config
from mmdet_flow.model.config_text import read_config_text
from mmdet_flow.model.known_types import confined, require_known_types
from mmdet_flow.precisions import EXACT

MISFIT = "does not fit the config: {}; use the config of this training"
LOADING = ("LoadImageFromFile", "LoadImageFromNDArray")
"""Steps of a pipeline that make pixels of files."""


class Detector:
    """A loaded checkpoint with its test pipeline, built once.

    Attributes:
        classes: the class names, in the order of the labels.
        meta: what every OPEX of this model says about its origin.
    """

    def __init__(
        self,
        checkpoint: StoredFile,
        config: Path | None = None,
        threads: int | None = None,
        device: str = "cpu",
        score: float = 0.0,
        backend: str = "auto",
        precision: str = EXACT,
    ) -> None:
        """Load a model; ModelError or DataError says why it cannot be.

        ``config`` overrides the config that a published checkpoint carries. Objects
        below ``score`` may be missing from the detections, which saves time.
        ``backend`` and ``precision`` are those of the engines; the precision "auto"
        is what mmdet-flow evaluate precision chose.
        """
        threads = threads or cli.available_threads()
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))
        import cv2

        cv2.setNumThreads(1)
        keep_freed_memory()
        loaded = load_model(checkpoint, config)
        self.classes, self._pipeline = loaded.classes, loaded.pipeline
        precision = precision_to_use(
            precision, checkpoint, loaded.sha256, backend, device
        )
        int8 = read_int8(checkpoint, loaded.sha256) if precision == "int8" else {}
        options = EngineOptions(backend, precision, threads, int8=int8)
        with _blamed_on(checkpoint):
            model = loaded.model.to(device)
            _skip_low_scores(model, score)
            self.engine = open_engine(model, loaded.identity, device, options)
        self.meta = {
            "model": checkpoint.name,
            "model_sha256": loaded.sha256,
            "classes_sha256": classes_sha256(loaded.classes),
            "version": made_with(),
            "engine": f"{self.engine.name} {self.engine.precision}",
        }

    def predict(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Find the objects in images, each (height, width, 3) uint8 BGR."""
        samples = self.engine.infer([self._prepare(image) for image in images])
        return [
            self._to_detections(sample, image.shape)
            for sample, image in zip(samples, images, strict=True)
        ]

    def _prepare(self, image: np.ndarray) -> dict:
        return self._pipeline({"img": image, "img_id": 0})

    def _to_detections(self, sample, shape: tuple[int, ...]) -> Detections:
        instances = sample.pred_instances.cpu()
        order = np.argsort(-instances.scores.numpy(), kind="stable")
        masks = instances.get("masks")
        if masks is not None:
            masks = np.asarray(masks, dtype=bool)
            masks = tuple(Mask.of_image(masks[index]) for index in order)
        return Detections(
            width=shape[1],
            height=shape[0],
            boxes=instances.bboxes.numpy()[order].astype(np.float32),
            scores=instances.scores.numpy()[order].astype(np.float32),
            labels=instances.labels.numpy()[order].astype(np.int64),
            classes=self.classes,
            masks=masks,
        )


@dataclass(frozen=True)
class LoadedModel:
    """A model of mmdet with the weights of its checkpoint, as its config describes it.

    Attributes:
        steps: the test pipeline, as its config has it.
        pipeline: the same for decoded images, ready to be called.
        sha256: of the checkpoint.
        identity: a hash of what decides the outputs of the network.
    """

    model: Any
    steps: Sequence[dict]
    pipeline: Callable[[dict], dict]
    classes: tuple[str, ...]
    sha256: str
    identity: str


def load_model(checkpoint: StoredFile, config: Path | None = None) -> LoadedModel:
    """Build the model of a checkpoint; ModelError or DataError says why it cannot be.

    ``config`` overrides the config that a published checkpoint carries.
    """
    import_mmdet()
    loaded = load_checkpoint(checkpoint)
    check_environment(loaded.classes)
    cfg = _read_config(loaded.config, config, checkpoint)
    with _blamed_on(checkpoint):
        _check_config_classes(cfg, loaded.classes, checkpoint)
        with nullcontext() if config else confined(loaded.state_dict, checkpoint):
            model = _build_model(cfg, loaded.state_dict, checkpoint)
            pipeline = _build_pipeline(cfg)
        return LoadedModel(
            model=model,
            steps=cfg.test_dataloader.dataset.pipeline,
            pipeline=pipeline,
            classes=loaded.classes,
            sha256=loaded.sha256,
            identity=_identity(loaded.sha256, cfg),
        )


def made_with() -> str:
    """Return what decides the objects of a model, in words."""
    return f"mmdet-flow {__version__}, mmdet {version('mmdet')}"


def _read_config(text: str, path: Path | None, checkpoint: StoredFile):
    """Return the config of the user, or what that of the checkpoint may have built."""
    if path is not None:
        return load_config(str(path))
    if not text:
        raise ModelError(f"{checkpoint}: carries no config; give it with --config")
    cfg = read_config_text(text, checkpoint)
    require_known_types(cfg, checkpoint)
    return cfg


def _check_config_classes(
    cfg, classes: tuple[str, ...], checkpoint: StoredFile
) -> None:
    dataset = cfg.get("test_dataloader", {}).get("dataset", {})
    named = tuple(dataset.get("metainfo", {}).get("classes", ()))
    if named:
        fix = "use the config of this training"
        require_same_classes(classes, named, str(checkpoint), "the config", fix)


@contextmanager
def _blamed_on(checkpoint: StoredFile) -> Iterator[None]:
    """Let what a model raises while it is made ready be an error of its checkpoint."""
    try:
        yield
    except FlowError:
        raise
    except Exception as error:  # its config decides what is called, and with what
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{checkpoint}: its model cannot be built: {reason}; use the config of "
            "this training"
        ) from error


def _build_model(cfg, state_dict: dict, checkpoint: StoredFile):
    from mmdet.models import BaseDetector
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    from mmdet_flow.model.fit.network import drop_pretrained

    logging.getLogger("mmengine").setLevel(logging.ERROR)
    init_default_scope(cfg.get("default_scope", "mmdet"))
    # The checkpoint replaces the weights that the config would look for.
    drop_pretrained(cfg.model)
    model = MODELS.build(cfg.model)
    if not isinstance(model, BaseDetector):
        raise ModelError(
            f"{checkpoint}: its model is a {type(model).__name__}, and no detector; "
            "give the config of a detector with --config"
        )
    try:
        missing, unexpected = model.load_state_dict(state_dict, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(f"{checkpoint}: {MISFIT.format(reason)}") from error
    if missing or unexpected:
        reason = (
            f"{len(missing)} weights missing, {len(unexpected)} unexpected, "
            f"e.g. {[*missing, *unexpected][0]}"
        )
        raise ModelError(f"{checkpoint}: {MISFIT.format(reason)}")
    return model.eval()


def _skip_low_scores(model, score: float) -> None:
    """Let the model drop what is below ``score`` before it suppresses duplicates.

    That changes nothing above it: a low score neither suppresses a higher one nor
    takes its place among the best. Score voting, where it does, is left alone.
    """
    # The models keep what is greater, the user what is greater or equal.
    threshold = float(np.nextafter(np.float32(score), np.float32(-1)))
    for name in ("bbox_head", "roi_head"):
        head = getattr(model, name, None)
        settings = getattr(head, "test_cfg", None)
        if settings and "score_thr" in settings and not hasattr(head, "score_voting"):
            settings.score_thr = max(settings.score_thr, threshold)


def _identity(model_sha256: str, cfg) -> str:
    """Return a hash of what decides the outputs of the network."""
    packages = ("mmcv", "mmdet", "openvino", "torch")
    parts = (model_sha256, str(cfg.model), __version__, *map(version, packages))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _build_pipeline(cfg):
    """Return the test pipeline for decoded images: without files, the rest as is."""
    from mmengine.dataset import Compose

    steps = []
    for step in cfg.test_dataloader.dataset.pipeline:
        name = step["type"].rpartition(".")[2]
        if name in LOADING:
            as_float = step.get("to_float32", False)
            step = dict(type="mmdet.LoadImageFromNDArray", to_float32=as_float)
        if name != "LoadAnnotations":
            steps.append(step)
    return Compose(steps)
