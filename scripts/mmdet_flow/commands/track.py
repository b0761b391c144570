"""Export finished runs to an MLflow tracker: parameters, metrics, pictures, the model.

RUN are results folders with a record (mmdet-flow step record). A run that is there
already is left as it is, so any call catches up with what earlier ones missed. The
tracker is the file tracking/mlflow.db beside the runs, or a server at --uri, whose user
and password MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD name.
"""

import argparse
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import ServiceError
from mmdet_flow.files import write_json
from mmdet_flow.record.track import EXPERIMENT, VARIABLE, track
from mmdet_flow.results import keep_results


def build_parser(prog: str) -> argparse.ArgumentParser:
    parser = cli.new_parser(
        prog,
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
        type=cli.whole,
        default=0,
        metavar="N",
        help="calls in vain before this one, for the receipt (default: 0)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Run the command; with a receipt, a tracker that fails is no error."""
    keep_results([options.receipt], options.run)
    receipt = {"tracked": True, "tries": options.tries}
    try:
        track(options.run, options.uri, options.experiment)
    except ServiceError as error:
        if not options.receipt:
            raise
        cli.log.warning("not tracked: %s", error)
        receipt["tracked"] = False
    if options.receipt:
        write_json(options.receipt, receipt)
