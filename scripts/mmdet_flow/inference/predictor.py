"""From pixels to the predictions that are written or sent: one way for all fronts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow.detections import Detections
from mmdet_flow.files import StoredFile
from mmdet_flow.formats.objects import Outlines, PixelObject, to_pixels
from mmdet_flow.formats.opex import to_opex
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.inference.scores import Scores
from mmdet_flow.inference.tiled.detector import TiledDetector
from mmdet_flow.memory import keep_what_is_loaded
from mmdet_flow.precisions import AUTO
from mmdet_flow.tiles import Tiles


@dataclass(frozen=True)
class ModelOptions:
    """A model, how it runs, and what is kept of what it finds.

    Attributes:
        config: overrides the config that a published checkpoint carries.
        backend, precision: those of the engines; the precision "auto" is what was
            chosen for this model on this processor.
        tiles: how images are divided, or None for whole images.
    """

    checkpoint: StoredFile
    config: Path | None
    scores: Scores
    outlines: Outlines
    threads: int
    device: str = "cpu"
    backend: str = "auto"
    precision: str = AUTO
    tiles: Tiles | None = None


@dataclass(frozen=True)
class Prediction:
    """The predicted objects of one image of ``width`` by ``height`` pixels."""

    width: int
    height: int
    objects: list[PixelObject]
    meta: dict[str, str]
    detections: Detections

    def opex(self, image_id: str, time: str, more: dict[str, str] | None = None) -> str:
        """Return the prediction as OPEX JSON."""
        size = {"width": str(self.width), "height": str(self.height)}
        return to_opex(image_id, self.objects, self.meta | size | (more or {}), time)


class Predictor:
    """A detector with the user's score threshold and way of outlining.

    ``score`` is the threshold, for all classes or one for each (classes,).
    """

    def __init__(self, detector, score: float | np.ndarray, outlines: Outlines) -> None:
        self.detector = detector
        self.score = score
        self.outlines = outlines

    @classmethod
    def from_options(cls, options: ModelOptions) -> "Predictor":
        """Load a model."""
        detector = open_detector(
            options.checkpoint,
            config=options.config,
            threads=options.threads,
            device=options.device,
            score=options.scores.minimum,
            backend=options.backend,
            precision=options.precision,
            tiles=options.tiles,
        )
        keep_what_is_loaded()
        model_sha256 = detector.meta["model_sha256"]
        score = options.scores.for_classes(detector.classes, model_sha256)
        return cls(detector, score, options.outlines)

    @property
    def takes_windows(self) -> bool:
        """Whether images are read by windows, so that their size has no limit."""
        return isinstance(self.detector, TiledDetector)

    def predict(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict for images, each (height, width, 3) uint8 BGR.

        If it ``takes_windows``, they may be a ``WindowedImage``, too.
        """
        predictions = []
        for found in self.detector.predict(images):
            kept = found.above(self.score)
            objects = to_pixels(kept, self.outlines)
            meta = self.detector.meta
            predictions.append(Prediction(kept.width, kept.height, objects, meta, kept))
        return predictions
