"""Write a config for a folder of annotated images.

Finds the format of the annotations, the classes, the sizes of images and objects, and
the splits that the data come with. Proposes preset, image size and epochs for this
machine and the time that you have. The annotations are read as the workflow reads them;
images are not decoded, which mmdet-flow data check does.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.columns import fitted
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.files import keep_inputs, write_if_changed
from mmdet_flow.path_options import keep_named
from mmdet_flow.start.init.choices import experiment_name
from mmdet_flow.start.init.config import config_of, lists_of
from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.propose import propose, require_free
from mmdet_flow.start.init.speed import speed_here
from mmdet_flow.start.init.summary import summary
from mmdet_flow.start.survey import Survey


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
        __doc__,
        "data/cells --hours 2h",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="annotations, and images with them"
    )
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="if they are elsewhere"
    )
    parser.add_argument(
        "--hours",
        type=cli.hours,
        metavar="TIME",
        help="time for the training, which keeps to it: 2, 2h, 30m (default: planned "
        "for 1h, and without a limit)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="default: config.yaml in this folder",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="measure nothing: take the speed of another machine, unless that of this "
        "one is known",
    )
    parser.add_argument("--force", action="store_true", help="replace the config")
    _add_finding_options(parser.add_argument_group("instead of what is found"))
    cli.add_threads_option(parser)
    return parser


def _add_finding_options(parser) -> None:
    parser.add_argument("--name", help="of the experiment (default: of the folder)")
    parser.add_argument(
        "--format", choices=sorted(FORMATS), help="default: the one that fits"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes of YOLO or Open Images",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="in this order, without the others (default: all, most frequent first)",
    )
    task = parser.add_mutually_exclusive_group()
    task.add_argument(
        "--masks", action="store_true", default=None, help="learn outlines"
    )
    task.add_argument(
        "--boxes", action="store_false", dest="masks", help="learn boxes alone"
    )


def run(options: argparse.Namespace) -> None:
    """Look at the data, write the config, and say what was found and is proposed."""
    keep_named(options, "output")
    name = experiment_name(options.folder, options.name)
    if not options.force:
        require_free([options.output], "name another file with --output")
    found = find(
        options.folder, options.images or options.folder, options.format, options.labels
    )
    threads = options.threads or cli.available_threads()
    proposal = propose(
        name,
        found,
        folder=options.folder,
        classes=options.classes,
        masks=options.masks,
        hours=options.hours,
        speed_of=partial(speed_here, threads=threads, quick=options.quick),
    )
    lists = lists_of(proposal, options.output)
    keep_inputs([options.output, *lists], _read(found))
    if not options.force:
        require_free(lists, "choose another --name")
    for path, names in lists.items():
        write_if_changed(path, "\n".join(names) + "\n")
    write_if_changed(options.output, config_of(proposal, options.output))
    for line in summary(proposal):
        print(fitted(line, sys.stdout))
    print(f"wrote {options.output}; to see what would be done, and to do it:")
    print(f"  {command_for(options.output)} -n\n  {command_for(options.output)}")


def _read(found: Survey) -> Iterator[Path | None]:
    yield found.source.labels
    for one in found.images:
        yield one.annotation
        yield one.image
    for problem in found.problems:
        yield problem.file
        yield from problem.images


def command_for(config: Path) -> str:
    """Return the command that runs the workflow with a config file."""
    if config == Path("config.yaml"):
        return "mmdet-flow run"
    # Snakemake would add it to the one that is there.
    words = "--replace-workflow-config", "--configfile", str(config)
    return f"mmdet-flow run {shlex.join(words)}"
