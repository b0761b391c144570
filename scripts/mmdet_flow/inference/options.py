"""The options of the model and of what is kept of its objects."""

import argparse
import zipfile
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.formats.objects import Outlines
from mmdet_flow.inference.engines.engine import BACKENDS
from mmdet_flow.inference.package_file import (
    CHECKPOINT,
    THRESHOLDS,
    TILES,
    open_package,
)
from mmdet_flow.inference.predictor import ModelOptions
from mmdet_flow.inference.scores import BY_CLASS, read_scores
from mmdet_flow.precisions import AUTO, PRECISIONS
from mmdet_flow.tile_options import add_tile_options, tiles_of
from mmdet_flow.tiles import Tiles, tiles_from_json


@cli.takes(f"a number from 0 to 1, or {BY_CLASS}")
def score_option(text: str) -> float | str:
    """Read the value of --score."""
    return BY_CLASS if text == BY_CLASS else cli.number(text, 0, 1)


def add_score_options(parser: argparse.ArgumentParser, default: float) -> None:
    """Add --score and --thresholds, which ``read_scores`` takes."""
    parser.add_argument(
        "--score",
        type=score_option,
        default=default,
        help="score threshold, or auto: that of each class in --thresholds "
        f"(default: {default})",
    )
    parser.add_argument(
        "--thresholds",
        type=Path,
        metavar="FILE",
        help="scores by class, of mmdet-flow evaluate thresholds, for --score auto",
    )


def add_model_options(parser: argparse.ArgumentParser, dash: str = "_") -> None:
    """Add the options that decide what is predicted, on every front.

    ``dash`` stands between the words of an option: "_" as in the reference image.
    """
    _add_weights_options(parser.add_argument_group("model"))
    objects = parser.add_argument_group("objects")
    add_score_options(objects, default=0.0)
    _add_outline_options(objects, dash)
    _add_mask_options(objects, dash)
    add_tile_options(parser.add_argument_group("large images"), dash)
    _add_engine_options(parser.add_argument_group("engine"))


def _add_weights_options(parser) -> None:
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="what mmdet-flow model train published, or any checkpoint of mmdet",
    )
    model.add_argument(
        "--package",
        type=Path,
        metavar="FILE",
        help="what mmdet-flow handover package made, instead of --checkpoint, --config "
        "and --thresholds",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="model config (default: the one in the checkpoint)",
    )


def _add_outline_options(parser, dash: str) -> None:
    parser.add_argument(
        f"--fit{dash}bbox{dash}to{dash}polygon",
        action="store_true",
        help="take the box from the polygon's extent",
    )
    parser.add_argument(
        f"--bbox{dash}as{dash}fallback",
        type=cli.finite,
        default=-1.0,
        metavar="FRACTION",
        help="use the box as polygon where the polygon covers less than this "
        "fraction of it (default: -1, never)",
    )
    parser.add_argument(
        f"--simplify{dash}polygons",
        type=cli.finite,
        default=1.0,
        metavar="PIXELS",
        help="greatest distance between polygon and mask edge (default: 1.0; 0 keeps "
        "every corner)",
    )


def _add_mask_options(parser, dash: str) -> None:
    parser.add_argument(
        f"--mask{dash}threshold",
        type=cli.finite,
        default=0.1,
        metavar="VALUE",
        help="threshold of a mask's pixels; those of mmdet are 0 or 1 (default: 0.1)",
    )
    parser.add_argument(
        f"--mask{dash}nth",
        type=cli.positive_int,
        default=1,
        metavar="N",
        help="trace every Nth row and column of a mask alone (default: 1)",
    )
    parser.add_argument(
        f"--view{dash}margin",
        type=cli.whole,
        default=2,
        metavar="PIXELS",
        help="margin around a mask while it is traced, without effect on the polygon "
        "(default: 2)",
    )
    parser.add_argument(
        f"--fully{dash}connected",
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
        help="fp32 is exact; bf16 is faster on CPUs that have it; int8 is made by "
        "mmdet-flow evaluate precision (default: auto, what that chose, or fp32)",
    )
    cli.add_threads_option(parser)


def model_options(options: argparse.Namespace) -> ModelOptions:
    """Return what ``add_model_options`` asked for, from the package where one is given.

    Raises UsageError for options that do not go together, ModelError for a package
    that is damaged or changed, and DataError for thresholds that are none.
    """
    checkpoint, thresholds, tiles = options.checkpoint, options.thresholds, None
    if options.package:
        if options.config:
            raise UsageError("--config: is for --checkpoint; a package has its own")
        package = open_package(options.package)
        checkpoint = package / CHECKPOINT
        tiles = _tiles_of_package(package)
        if options.score == BY_CLASS and not thresholds:
            thresholds = package / THRESHOLDS
            if not thresholds.is_file():
                raise UsageError(
                    f"--score auto: {options.package} has no thresholds; give a "
                    "number, or --thresholds FILE"
                )
    if not 0 <= options.mask_threshold < 1:
        raise UsageError("--mask_threshold: give a value from 0 to below 1")
    return ModelOptions(
        checkpoint=checkpoint,
        config=options.config,
        scores=read_scores(options.score, thresholds),
        outlines=Outlines(
            simplify=options.simplify_polygons,
            fit_bbox_to_polygon=options.fit_bbox_to_polygon,
            bbox_as_fallback=options.bbox_as_fallback,
            nth=options.mask_nth,
            fully_connected=options.fully_connected,
        ),
        threads=options.threads or cli.available_threads(),
        device=options.device,
        backend=options.backend,
        precision=options.precision,
        tiles=tiles_of(options, default=tiles),
    )


def _tiles_of_package(package: zipfile.Path) -> Tiles | None:
    """Return how the model of a package is to see large images."""
    place = package / TILES
    if not place.is_file():
        return None
    try:
        return tiles_from_json(place.read_bytes())
    except (ValueError, TypeError, UsageError) as error:
        raise ModelError(
            f"{package.root.filename}: its {TILES} cannot be read ({error}); make the "
            "package again"
        ) from None
