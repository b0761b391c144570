"""Write a config for a folder of annotated images.

Finds the format of the annotations, the classes, the sizes of images and objects, and
the division into splits that the data come with. Proposes preset, image size and epochs
for this machine and the time that you have. The annotations are read as the workflow
reads them; images are not decoded, which mmdet_check does.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import UsageError
from mmdet_flow.files import write_if_changed
from mmdet_flow.start.init.choices import (
    class_list,
    experiment_name,
    policy_for,
    preset_for,
)
from mmdet_flow.start.init.config import SHARES, config_of, lists_of
from mmdet_flow.start.init.find import find
from mmdet_flow.start.init.plan import measure, plan_for
from mmdet_flow.start.init.proposal import Proposal
from mmdet_flow.start.init.splits import Division, find_division
from mmdet_flow.start.init.summary import summary
from mmdet_flow.start.survey import Survey


def run_init(args: argparse.Namespace) -> None:
    """Look at the data, write the config, and say what was found and is proposed."""
    name = experiment_name(args.folder, args.name)
    if not args.force:
        require_free([args.output], "name another file with --output")
    found = find(args.folder, args.images or args.folder, args.format, args.labels)
    proposal = propose(name, found, args)
    lists = lists_of(proposal, args.output)
    if not args.force:
        require_free(lists, "choose another --name")
    for path, names in lists.items():
        write_if_changed(path, "\n".join(names) + "\n")
    write_if_changed(args.output, config_of(proposal, args.output))
    for line in summary(proposal):
        print(line)
    print(f"wrote {args.output}; snakemake -n shows what would be done")


def propose(name: str, found: Survey, args: argparse.Namespace) -> Proposal:
    """Decide what the options leave open."""
    classes = class_list(found, args.classes)
    division = find_division(args.folder, found.images)
    sizes = measure(found.images, classes)
    plan = plan_for(
        preset_for(found, args.masks),
        sizes,
        *train_and_val(found, division),
        60 * args.hours,
        args.threads or cli.available_threads(),
    )
    policy = policy_for(found, classes)
    return Proposal(name, found, classes, sizes, division, policy, plan)


def train_and_val(found: Survey, division: Division | None) -> tuple[int, int]:
    """Return the number of images that train and that validate, one at least."""
    if division:
        return len(division.names["train"]), len(division.names["val"])
    total = len(found.images)
    return max(1, round(SHARES["train"] * total)), round(SHARES["val"] * total)


def require_free(paths: Iterable[Path], otherwise: str) -> None:
    """Refuse to replace what is there."""
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path}: is there already; replace it with --force, or {otherwise}"
            )


def hours(text: str) -> float:
    """Read 2, 2h, 30m or 1h30m as hours."""
    match = re.fullmatch(r"([\d.]+)|(?:([\d.]+)h)?(?:([\d.]+)m)?", text.strip())
    try:
        value = float(match[1] or match[2] or 0) + float(match[3] or 0) / 60
    except (TypeError, ValueError):
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is no time; write it as 2h or 30m")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_init",
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
        type=hours,
        default=1.0,
        metavar="TIME",
        help="time for the training: 2, 2h, 30m (default: 1h)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="default: config.yaml in this folder",
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
        "--labels", type=Path, metavar="FILE", help="names of the classes of YOLO"
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="in this order, without the others (default: all, most frequent first)",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--masks", action="store_true", default=None, help="learn outlines"
    )
    kind.add_argument(
        "--boxes", action="store_false", dest="masks", help="learn boxes alone"
    )


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run_init(args), args)
