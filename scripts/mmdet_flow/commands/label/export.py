"""Turn predictions into annotations of a tool, to be corrected there.

PREDICTIONS is a folder of OPEX files, or the results folder of an experiment. The
images are linked, or copied, to where the tool looks for them. Nothing that was there
is changed: a folder with other annotations, such as corrected ones, is refused.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import EDGES
from mmdet_flow.inference.options import add_score_options
from mmdet_flow.inference.scores import read_scores
from mmdet_flow.labelling.export import Export, export
from mmdet_flow.labelling.shapes import SHAPES
from mmdet_flow.labelling.writers import WRITERS


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "predicted --images photos --format labelme --output rounds/1 --score 0.5",
        "done --images photos --format cvat --output rounds/2 --score auto "
        "--thresholds results/cells/evaluation/thresholds.json",
    )
    parser.add_argument(
        "predictions", type=Path, metavar="PREDICTIONS", help="what a model predicted"
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="the images that were predicted (default: beside the predictions)",
    )
    parser.add_argument(
        "--image-list",
        type=Path,
        metavar="FILE",
        help="export these images alone: a name a line, as label choose writes them",
    )
    parser.add_argument(
        "--format", choices=sorted(WRITERS), required=True, help="of the annotations"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the round: a folder named like the format, and what was exported",
    )
    add_score_options(parser, default=0.0)
    parser.add_argument(
        "--shapes",
        choices=SHAPES,
        default=SHAPES[0],
        help="boxes, outlines, or an outline where it says more than the box "
        "(default: auto)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="class list in its order (default: that of the experiment of "
        "PREDICTIONS or --thresholds, or what was predicted, by name)",
    )
    parser.add_argument(
        "--edges",
        choices=EDGES,
        default=EDGES[0],
        help="what corners of boxes name in VOC: the first and last pixel, or the "
        "edges around them (exclusive); those of the image begin at 0, or at 1 "
        f"(default: {EDGES[0]})",
    )
    parser.add_argument(
        "--address",
        default="",
        metavar="PREFIX",
        help="what comes before the names of images in tasks of Label Studio "
        "(default: that of local files, whose root is the folder of the tasks)",
    )
    parser.add_argument(
        "--copy", action="store_true", help="copy images even where a link can be made"
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Export the predictions as the options of the command say."""
    how = Export(
        options.format,
        scores=read_scores(options.score, options.thresholds),
        shapes=options.shapes,
        classes=options.classes,
        edges=options.edges,
        address=options.address,
        copy=options.copy,
        image_list=options.image_list,
    )
    export(options.predictions, options.images, options.output, how)
