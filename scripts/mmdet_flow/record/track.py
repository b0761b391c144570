"""Export finished runs to an MLflow tracker: parameters, metrics, pictures, the model.

RUN are results folders with a record (mmdet_record). A run that is there already is
left as it is, so any call catches up with what earlier ones missed. The tracker is the
file tracking/mlflow.db beside the runs, or a server at --uri, whose user and password
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD name.
"""

import argparse
import os
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError
from mmdet_flow.files import write_json
from mmdet_flow.record.tracked import TrackedRun
from mmdet_flow.record.tracker import SQLITE, Tracker
from mmdet_flow.results import as_written

VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT = "mmdet-flow"


def track(runs: list[Path], uri: str | None, experiment: str) -> None:
    """Export the runs; raises ServiceError where the tracker fails."""
    for path in runs:
        place = uri or default_uri(path)
        with as_written(path):
            done = Tracker(place, experiment).export(TrackedRun(path))
        cli.log.info("%s: %s", path, done)


def default_uri(run: Path) -> str:
    """Return the tracker that the environment names, or the file beside the runs."""
    file = run.resolve().parent / "tracking" / "mlflow.db"
    return os.environ.get(VARIABLE) or f"{SQLITE}{file}"


def run(args: argparse.Namespace) -> None:
    """Run the command; with a receipt, a tracker that fails is no error."""
    receipt = {"tracked": True, "tries": args.tries}
    try:
        track(args.run, args.uri, args.experiment)
    except ServiceError as error:
        if not args.receipt:
            raise
        cli.log.warning("not tracked: %s", error)
        receipt["tracked"] = False
    if args.receipt:
        write_json(args.receipt, receipt)


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_track",
        __doc__,
        "results/cells results/leaves --uri https://mlflow.example.org",
    )
    parser.add_argument(
        "run", type=Path, nargs="+", metavar="RUN", help="results/EXPERIMENT"
    )
    parser.add_argument(
        "--uri",
        metavar="URI",
        help=f"the tracker (default: ${VARIABLE}, or the file beside the runs)",
    )
    parser.add_argument(
        "--experiment",
        default=EXPERIMENT,
        metavar="NAME",
        help=f"the MLflow experiment that the runs are in (default: {EXPERIMENT})",
    )
    parser.add_argument(
        "--receipt",
        type=Path,
        metavar="FILE",
        help="write here whether it was done; a tracker that fails is a warning then",
    )
    parser.add_argument(
        "--tries",
        type=int,
        default=0,
        metavar="N",
        help="calls in vain before this one, for the receipt (default: 0)",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda: run(args), args)
