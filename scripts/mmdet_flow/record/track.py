"""Which runs go to which tracker."""

import os
from pathlib import Path

from mmdet_flow import cli
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
