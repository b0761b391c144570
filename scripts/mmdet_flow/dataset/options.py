"""The options of what is checked, and against what."""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import EDGES, Source
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.findings import ACTIONS, CHECKS, Policy
from mmdet_flow.dataset.readers import FORMATS


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what to check, and against what."""
    add_source_options(parser.add_argument_group("data set"))
    _add_rules_options(parser.add_argument_group("rules"))
    cli.add_threads_option(parser)


def add_source_options(parser) -> None:
    """Add the options that say where annotations and images are."""
    parser.add_argument(
        "--format", choices=sorted(FORMATS), required=True, help="of the annotations"
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="FOLDER|FILE",
        help="a file, or a folder of them",
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder of the images; folders inside it are searched too",
    )
    parser.add_argument(
        "--glob", metavar="PATTERN", help="which annotation files (default: all)"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes of YOLO or Open Images (default: found beside them)",
    )
    parser.add_argument(
        "--edges",
        choices=EDGES,
        default=EDGES[0],
        help="what corners of boxes name in VOC, OPEX and ROI CSV: the first and last "
        "pixel, or the edges around them (exclusive); those of the image begin at 0, "
        f"or at 1 (default: {EDGES[0]})",
    )


def add_form_options(group, side: str = "") -> None:
    """Add how annotations are read that may be converted; of a side, if there are two.

    ``source_at`` makes what reads them of the values.
    """
    start = f"--{side}-" if side else "--"
    group.add_argument(
        f"{start}format", choices=sorted(FORMATS), help="of the annotations"
    )
    group.add_argument(
        f"{start}images",
        type=Path,
        metavar="FOLDER",
        help="folder of the images (default: that of the annotations)",
    )
    group.add_argument(
        f"{start}edges",
        choices=EDGES,
        default=EDGES[0],
        help="what corners of boxes name in VOC, OPEX and ROI CSV (default: "
        f"{EDGES[0]})",
    )


def source_at(place: Path, images: Path | None, edges: str) -> Source:
    """Return where annotations are, with the images beside them if not said."""
    folder = place if place.is_dir() else place.parent
    return Source(place, images or folder, edges=edges)


def add_iou_option(parser: argparse.ArgumentParser, default: float) -> None:
    """Add from which overlap on two boxes are of one object."""
    parser.add_argument(
        "--iou",
        type=cli.fraction,
        default=default,
        help="two boxes that have less in common are of two objects (default: "
        f"{default:g})",
    )


def _add_rules_options(parser) -> None:
    parser.add_argument(
        "--classes",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="class list in its order (default: all classes, by name, or in the order "
        "of a COCO file that this command wrote)",
    )
    add_policy_option(parser)
    parser.add_argument(
        "--image-size",
        type=cli.positive_int,
        metavar="PIXELS",
        help="report boxes that are too small to learn at this longer side",
    )
    parser.add_argument(
        "--min-objects",
        type=cli.whole,
        default=10,
        metavar="N",
        help="report classes with fewer objects (default: 10)",
    )
    parser.add_argument(
        "--lists",
        nargs="+",
        action="extend",
        type=Path,
        default=[],
        metavar="FILE",
        help="lists of the splits: report duplicates across them",
    )


def add_policy_option(parser) -> None:
    """Add the option that says what to do about findings."""
    actions = "; ".join(f"{name}: {what}" for name, what in ACTIONS.items())
    checks = ", ".join(CHECKS)
    parser.add_argument(
        "--policy",
        nargs="+",
        action="extend",
        default=[],
        metavar="CHECK=ACTION",
        help=f"what to do about findings ({actions}); checks: {checks}",
    )


def source_of(options: argparse.Namespace) -> Source:
    """Return where the data set is, by the options of ``add_check_options``."""
    return Source(
        options.annotations,
        options.images,
        options.glob,
        options.labels,
        edges=options.edges,
    )


def rules_of(options: argparse.Namespace) -> Rules:
    """Return the rules, by the options of ``add_check_options``.

    Raises UsageError when a policy names no check, or no action of it.
    """
    return Rules(
        options.classes,
        Policy.parse(options.policy),
        options.image_size,
        options.min_objects,
        tuple(options.lists),
    )
