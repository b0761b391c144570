"""Say how far those who labelled the same images agree: F1, classes, overlap.

Each ANNOTATIONS is what somebody labelled: a converted data set, or annotations of
--format, which are checked first. A single export of Label Studio in which tasks have
several annotations is taken apart by annotator. Images are the same if their content
is, and those that only one has are not compared. Writes agreement.json and
agreement.csv (for each two annotators, by class), and disagreements.csv (each object
that only one has, or that has two classes), and prints a line for each two. 95 %
intervals are from images that are drawn again and again.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.comparison.annotators import (
    IOU,
    Annotator,
    agreements,
    report_of,
    summary,
    write_agreements,
)
from mmdet_flow.comparison.options import add_bootstrap_option
from mmdet_flow.dataset.annotations import AnnotationFormat, Read, Source
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.convert import stop_on_errors
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.labelled import is_converted, labelled, read_converted
from mmdet_flow.dataset.options import (
    add_form_options,
    add_iou_option,
    add_policy_option,
    source_at,
)
from mmdet_flow.dataset.pixels import read_pixels
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import UsageError
from mmdet_flow.files import keep_apart


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "anna ben --format labelme --images photos --output agreement",
        "export.json --format label-studio --images photos --output agreement",
    )
    parser.add_argument(
        "annotations",
        nargs="+",
        type=Path,
        metavar="ANNOTATIONS",
        help="what each annotator labelled, a file or a folder",
    )
    group = parser.add_argument_group("annotations that are not converted")
    add_form_options(group)
    add_policy_option(group)
    add_iou_option(parser, IOU)
    add_bootstrap_option(parser)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the files go",
    )
    cli.add_threads_option(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Compare what the annotators labelled, write the files and print the lines."""
    keep_apart(options.output, *options.annotations)
    read = _of_format if options.format else _converted
    found = agreements(list(read(options)), options.iou)
    reports = [report_of(one, options.bootstrap) for one in found]
    write_agreements(found, reports, options.iou, options.output)
    for report in reports:
        print(summary(report, options.iou))


def _converted(options: argparse.Namespace) -> Iterator[Annotator]:
    why = "goes with --format; a converted data set has its own"
    cli.refuse_given(options, ("--images", "--edges"), why, build_parser(""))
    _require_two(options.annotations, options)
    for place in options.annotations:
        if not is_converted(place):
            raise UsageError(
                f"{place}: is no converted data set; name its format with --format"
            )
        yield Annotator(str(place), read_converted(place).images)


def _of_format(options: argparse.Namespace) -> Iterator[Annotator]:
    rules = Rules(policy=Policy.parse(options.policy))
    threads = options.threads or cli.available_threads()
    known = FORMATS[options.format]
    readers = _readers(options, known)
    _require_two(readers, options)
    pixels_of = cache(read_pixels)  # annotators have the same images
    all_checked = [
        check(replace(known, read=read), source, rules, threads, pixels_of)
        for _, source, read in readers
    ]
    of_same_files = len(options.annotations) == 1
    for some in [all_checked] if of_same_files else zip(all_checked):
        stop_on_errors(*some)
    for (name, _, _), checked in zip(readers, all_checked, strict=True):
        yield Annotator(name, labelled(checked, threads).images)


def _readers(
    options: argparse.Namespace, known: AnnotationFormat
) -> list[tuple[str, Source, Read]]:
    """Return who annotated, where, and what reads it."""
    sources = [
        source_at(place, options.images, options.edges) for place in options.annotations
    ]
    if len(sources) > 1 or not known.annotators:
        return [(str(one.annotations), one, known.read) for one in sources]
    (source,) = sources
    found = known.annotators(source)
    return [(f"annotator {name}", source, read) for name, read in found.items()]


def _require_two(found: Sequence, options: argparse.Namespace) -> None:
    if len(found) < 2:
        raise UsageError(
            f"{options.annotations[0]}: holds what one annotator labelled; name what "
            "another one made of the same images, too"
        )
