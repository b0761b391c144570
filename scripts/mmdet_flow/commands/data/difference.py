"""Say how two data sets differ: which objects were corrected, added, removed.

Each is the folder of a converted data set, a COCO file with its images.csv beside it,
or annotations of any format, which are checked first. Images are the same if their
content is, whatever they are called. Writes difference.json (counts) and difference.csv
(a row for each object that changed), and prints one line.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.convert import checked_or_error
from mmdet_flow.dataset.difference import (
    IOU,
    TOLERANCE,
    difference,
    report_of,
    summary,
    write_difference,
)
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.labelled import (
    LabelledSet,
    is_converted,
    labelled,
    read_converted,
)
from mmdet_flow.dataset.options import (
    add_form_options,
    add_iou_option,
    add_policy_option,
    source_at,
)
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import UsageError
from mmdet_flow.files import keep_apart

SIDES = ("before", "after")


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "results/cells/dataset corrected --after-format labelme --output compared",
        "rounds/1/predictions.json corrected --after-format voc --output compared",
    )
    for side in SIDES:
        parser.add_argument(
            side, type=Path, metavar=side.upper(), help=f"the data set {side}"
        )
    for side in SIDES:
        group = parser.add_argument_group(f"{side.upper()}, where it is not converted")
        add_form_options(group, side)
    add_policy_option(parser)
    add_iou_option(parser, IOU)
    parser.add_argument(
        "--tolerance",
        type=cli.not_negative,
        default=TOLERANCE,
        metavar="PIXELS",
        help="an edge that is no further away is where it was (default: "
        f"{TOLERANCE:g})",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where both files go",
    )
    cli.add_threads_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Compare the data sets, write both files and print the line."""
    keep_apart(options.output, options.before, options.after)
    before, after = (_read(options, side).images for side in SIDES)
    found = difference(before, after, options.iou, options.tolerance)
    report = report_of(found, options.iou, options.tolerance)
    write_difference(found, report, options.output, "difference")
    print(summary(found))


def _read(options: argparse.Namespace, side: str) -> LabelledSet:
    place, form, images, edges = (
        getattr(options, name)
        for name in (side, f"{side}_format", f"{side}_images", f"{side}_edges")
    )
    if form is None:
        if not is_converted(place):
            raise UsageError(
                f"{place}: is no converted data set; name its format with "
                f"--{side}-format"
            )
        own = (f"--{side}-images", f"--{side}-edges")
        why = f"goes with --{side}-format; a converted data set has its own"
        cli.refuse_given(options, own, why, build_parser(""))
        return read_converted(place)
    threads = options.threads or cli.available_threads()
    source = source_at(place, images, edges)
    rules = Rules(policy=Policy.parse(options.policy))
    return labelled(checked_or_error(FORMATS[form], source, rules, threads), threads)
