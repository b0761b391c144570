"""From pixels to the predictions that are written or sent: one way for all fronts."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.detections import Detections
from mmdet_flow.errors import UsageError
from mmdet_flow.formats.objects import Outlines, PixelObject, to_pixels
from mmdet_flow.formats.opex import to_opex
from mmdet_flow.inference.engines import BACKENDS, PRECISIONS
from mmdet_flow.inference.package_file import CHECKPOINT, THRESHOLDS, open_package
from mmdet_flow.inference.precision import AUTO
from mmdet_flow.inference.scores import AUTO as BY_CLASS
from mmdet_flow.inference.scores import add_score_options, read_scores
from mmdet_flow.memory import keep_what_is_loaded


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

    ``score`` is the lowest to keep, for all classes or one for each (classes,).
    """

    def __init__(self, detector, score: float | np.ndarray, outlines: Outlines) -> None:
        self.detector = detector
        self.score = score
        self.outlines = outlines

    @classmethod
    def from_options(cls, args: argparse.Namespace) -> "Predictor":
        """Load the model that the command line names."""
        from mmdet_flow.inference.detector import Detector

        scores = read_scores(args.score, args.thresholds)
        detector = Detector(
            *(args.checkpoint, args.config, args.threads, args.device),
            *(scores.lowest, args.backend, args.precision),
        )
        outlines = Outlines(
            args.simplify_polygons,
            args.fit_bbox_to_polygon,
            args.bbox_as_fallback,
            args.mask_nth,
            args.fully_connected,
        )
        keep_what_is_loaded()
        model_sha256 = detector.meta["model_sha256"]
        score = scores.for_classes(detector.classes, model_sha256)
        return cls(detector, score, outlines)

    def predict(self, images: Sequence[np.ndarray]) -> list[Prediction]:
        """Predict for images, each (height, width, 3) uint8 BGR."""
        predictions = []
        for found in self.detector.predict(images):
            kept = found.above(self.score)
            objects = to_pixels(kept, self.outlines)
            meta = self.detector.meta
            predictions.append(Prediction(kept.width, kept.height, objects, meta, kept))
        return predictions


def use_package(args: argparse.Namespace) -> None:
    """Let the options name what is in --package, where that is given.

    Raises ModelError for a package that is damaged or changed.
    """
    if not args.package:
        return
    if args.config:
        raise UsageError("--config: is for --checkpoint; a package has its own")
    package = open_package(args.package)
    args.checkpoint = package / CHECKPOINT
    if args.score == BY_CLASS and not args.thresholds:
        args.thresholds = package / THRESHOLDS
        if not args.thresholds.is_file():
            raise UsageError(
                f"--score auto: {args.package} has no thresholds; give a number, or "
                "--thresholds FILE"
            )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that decide what is predicted, on every front."""
    _add_weights_options(parser.add_argument_group("model"))
    objects = parser.add_argument_group("objects")
    add_score_options(objects, default=0.0)
    _add_outline_options(objects)
    _add_mask_options(objects)
    _add_engine_options(parser.add_argument_group("engine"))


def _add_weights_options(parser) -> None:
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="what mmdet_train published, or any checkpoint of mmdet",
    )
    model.add_argument(
        "--package",
        type=Path,
        metavar="FILE",
        help="what mmdet_package made, instead of --checkpoint, --config and "
        "--thresholds",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="model config (default: the one in the checkpoint)",
    )


def _add_outline_options(parser) -> None:
    parser.add_argument(
        "--fit_bbox_to_polygon",
        action="store_true",
        help="take the box from the polygon's extent",
    )
    parser.add_argument(
        "--bbox_as_fallback",
        type=float,
        default=-1.0,
        metavar="SHARE",
        help="use the box as polygon where the polygon covers less than this share of "
        "it (default: -1, never)",
    )
    parser.add_argument(
        "--simplify_polygons",
        type=float,
        default=1.0,
        metavar="PIXELS",
        help="greatest distance between polygon and mask edge (default: 1.0; 0 keeps "
        "every corner)",
    )


def _add_mask_options(parser) -> None:
    parser.add_argument(
        "--mask_threshold",
        type=float,
        default=0.1,
        metavar="VALUE",
        help="lowest value of a mask's pixel; those of mmdet are 0 or 1 (default: 0.1)",
    )
    parser.add_argument(
        "--mask_nth",
        type=cli.positive_int,
        default=1,
        metavar="N",
        help="trace every Nth row and column of a mask alone (default: 1)",
    )
    parser.add_argument(
        "--view_margin",
        type=int,
        default=2,
        metavar="PIXELS",
        help="margin around a mask while it is traced, without effect on the polygon "
        "(default: 2)",
    )
    parser.add_argument(
        "--fully_connected",
        choices=("high", "low"),
        default="high",
        help="high: pixels of a mask that touch at a corner belong together (default)",
    )


def _add_engine_options(parser) -> None:
    parser.add_argument("--device", default="cpu", help="default: cpu")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="auto",
        help="what runs the network (default: auto, OpenVINO where it can)",
    )
    parser.add_argument(
        "--precision",
        choices=(AUTO, *PRECISIONS),
        default=AUTO,
        help="fp32 is exact; bf16 is faster on CPUs that have it; int8 is what "
        "mmdet_export made (default: auto, what mmdet_export chose, or fp32)",
    )
    cli.add_threads_option(parser)
