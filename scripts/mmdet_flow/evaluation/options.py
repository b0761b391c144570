"""The options of what is measured, and on what."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import UsageError
from mmdet_flow.evaluation.detect import Found, detect, read_detections
from mmdet_flow.files import keep_inputs
from mmdet_flow.path_options import keep_named
from mmdet_flow.tile_options import TILE_OPTIONS, add_tile_options, tiles_of
from mmdet_flow.tiles import Tiles


def read_truth(
    options: argparse.Namespace, made: Sequence[Path], *names: str
) -> CocoFile:
    """Return the annotations that a model is measured with.

    UsageError if a file in ``made`` is one of what is read. ``names`` are the options
    that say where these go.
    """
    keep_named(options, *names, made=made)
    truth = CocoFile.read(options.annotations)
    if options.images:
        read = (options.images / image["file_name"] for image in truth.images)
        keep_inputs(made, read)
    return truth


def find_objects(options: argparse.Namespace, truth: CocoFile) -> Found:
    """Return what the command line asks for: of a model, or of a file."""
    if options.detections:
        why = "is for --checkpoint; --detections are as they are"
        cli.refuse_given(options, ("--config", *TILE_OPTIONS), why)
        return read_detections(options.detections, truth)
    if not options.images:
        raise UsageError("--checkpoint needs the folder of the images, --images")
    return _detect(options, truth, tiles_of(options))


def find_without_tiles(options: argparse.Namespace, truth: CocoFile) -> Found | None:
    """Return what a model finds in whole images, where it is asked to divide them."""
    if options.detections or tiles_of(options) is None:
        return None
    return _detect(options, truth, None)


def _detect(options: argparse.Namespace, truth: CocoFile, tiles: Tiles | None) -> Found:
    return detect(
        options.checkpoint,
        options.config,
        truth,
        options.images,
        threads=options.threads or cli.available_threads(),
        tiles=tiles,
    )


def add_detection_options(
    parser: argparse.ArgumentParser, images: bool = False
) -> None:
    """Add the options that say what is measured, and on what.

    ``images`` says whether the folder of the images is needed in any case.
    """
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, metavar="FILE", help="a model")
    source.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="COCO results instead of a model",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="if the checkpoint holds none"
    )
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="COCO", help="the truth"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=images,
        metavar="FOLDER",
        help="the images of --annotations",
    )
    add_tile_options(parser)
    cli.add_threads_option(parser)


def add_comparison_options(parser) -> None:
    """Add the options of a model that is compared with itself on annotated images."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="what mmdet-flow model train published",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="if the checkpoint holds none"
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="COCO",
        help="of the validation split",
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images of --annotations",
    )


def add_map_drop_option(parser, against: str) -> None:
    """Add the loss of mAP that is allowed against something."""
    parser.add_argument(
        "--max-map-drop",
        type=cli.finite,
        default=0.005,
        metavar="MAP",
        help=f"greatest loss of mAP against {against} (default: 0.005)",
    )
