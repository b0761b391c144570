"""Make the deployable form of a model, which predicts without torch.

The form is a graph for OpenVINO, from the pixels to boxes and scores, and what
surrounds it as data. It lies beside the checkpoint, where mmdet-flow predict and
mmdet-flow serve find it. It is only made if it loses at most --max-map-drop of mAP on
annotated images against mmdet in torch; otherwise, and for detectors that cannot be
traced, the file says why, and torch predicts.

--onnx writes the same graphs for other runtimes; docs/deploying.md shows how they are
run.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.evaluation.deployment import deploy
from mmdet_flow.evaluation.options import (
    add_comparison_options,
    add_map_drop_option,
    read_truth,
)
from mmdet_flow.inference.deploy.form import ABOUT, form_file


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog, __doc__, "--checkpoint model.pth --annotations val.json --images images"
    )
    add_comparison_options(parser)
    add_map_drop_option(parser, "torch")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="default: beside the checkpoint, as NAME.deploy.zip",
    )
    parser.add_argument(
        "--onnx",
        type=Path,
        metavar="FOLDER",
        help="write the graphs there as ONNX, too, with model.json",
    )
    cli.add_threads_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    output = options.output or form_file(options.checkpoint)
    made = [output, *([options.onnx / ABOUT] if options.onnx else [])]
    truth = read_truth(options, made, "output", "onnx")
    deploy(
        options.checkpoint,
        output,
        config=options.config,
        truth=truth,
        images=options.images,
        threads=options.threads or cli.available_threads(),
        max_map_drop=options.max_map_drop,
        onnx=options.onnx,
    )
