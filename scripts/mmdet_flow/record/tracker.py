"""An MLflow tracker: a server, or an SQLite file with a folder of files beside it."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmdet_flow.errors import ServiceError
from mmdet_flow.files import link_or_copy
from mmdet_flow.record.tracked import TrackedRun
from mmdet_flow.scrub import Scrubber

if TYPE_CHECKING:
    from mlflow.entities import Run

SQLITE = "sqlite:///"
SERVED = "mlflow-artifacts:/"
"""Begins the places of files that a server keeps."""

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    # A server that is down is told of at once.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    # In the SQLite file, places of files are as a server has them: `make ui` finds them
    # where the folder is then.
    "_MLFLOW_SERVER_ARTIFACT_ROOT": SERVED,
}
AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}
"""What a request may hold."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Has the pages of MLflow open with trainings, not with chats."""

RECORD, NAME, CAMPAIGN = "sha256.record", "mmdet_flow.run", "mmdet_flow.campaign"
VERSION, LATEST = "version", "latest"


class Tracker:
    """An experiment of the tracker at ``uri``, made if it is not there.

    Raises ServiceError where the tracker fails or is out of reach.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._name = uri, experiment
        self._file = Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None
        self._folder = self._file and self._file.parent
        prepare()

    def export(self, run: TrackedRun) -> str:
        """Export a run, unless it is there; return a line that says what was done.

        What an earlier call left unfinished is done again. A run of this name with
        another record stays as an earlier version.
        """
        with self._errors(), self._alone():
            self._connect()
            return self._export(run)

    def _export(self, run: TrackedRun) -> str:
        versions = self._runs(NAME, run.name)
        mine = next(
            (one for one in versions if one.data.tags[RECORD] == run.sha256), None
        )
        if mine and mine.info.status == "FINISHED":
            done = "is there already"
        else:
            mine = mine or self._begin(run, versions)
            self._fill_or_fail(mine, run)
            done = f"exported as version {mine.data.tags[VERSION]}"
        self._mark_latest(mine, versions)
        return done

    def _fill_or_fail(self, target: "Run", run: TrackedRun) -> None:
        """Fill a run; one that fails does not stay as if it went on."""
        try:
            self._fill(target, run)
        except BaseException:
            with contextlib.suppress(Exception):
                self._client.set_terminated(target.info.run_id, "FAILED")
            raise

    def _mark_latest(self, mine: "Run", versions: Sequence["Run"]) -> None:
        """Give the name to one of the versions; others have their number in theirs."""
        for one in {run.info.run_id: run for run in (*versions, mine)}.values():
            latest = one.info.run_id == mine.info.run_id
            tags = one.data.tags
            name = tags[NAME] if latest else f"{tags[NAME]} (version {tags[VERSION]})"
            if one.info.run_name != name:
                self._client.update_run(one.info.run_id, name=name)
            self._client.set_tag(one.info.run_id, LATEST, str(latest).lower())

    def _begin(self, run: TrackedRun, versions: Sequence["Run"]) -> "Run":
        numbers = [int(one.data.tags[VERSION]) for one in versions]
        tags = {
            **run.tags,
            NAME: run.name,
            VERSION: str(max(numbers, default=0) + 1),
            "mlflow.user": "mmdet-flow",
            "mlflow.source.name": "mmdet-flow",
            "mlflow.note.content": run.description,
        }
        if "git.commit" in tags:
            tags["mlflow.source.git.commit"] = tags["git.commit"]
        if run.campaign:
            tags["mlflow.parentRunId"] = self._parent(run.campaign, run.times[0])
        return self._client.create_run(
            self._experiment, run.times[0], tags, run_name=run.name
        )

    def _parent(self, campaign: str, started: int) -> str:
        """Return the run that those of a campaign are nested in."""
        found = self._runs(CAMPAIGN, campaign)
        if found:
            return found[0].info.run_id
        tags = {CAMPAIGN: campaign, "mlflow.user": "mmdet-flow"}
        made = self._client.create_run(
            self._experiment, started, tags, run_name=campaign
        )
        self._client.set_terminated(made.info.run_id, "FINISHED", started)
        return made.info.run_id

    def _fill(self, target: "Run", run: TrackedRun) -> None:
        """Write parameters, metrics and files; what is there already stays one."""
        from mlflow.entities import Metric, Param

        started, ended = run.times
        name = target.info.run_id
        params = [Param(key, value) for key, value in run.params.items()]
        metrics = [
            Metric(point.name, point.value, started, point.step)
            for point in run.points()
        ]
        for argument, items in (("params", params), ("metrics", metrics)):
            for at in range(0, len(items), AT_ONCE[argument]):
                part = {argument: items[at : at + AT_ONCE[argument]]}
                self._client.log_batch(name, **part)
        for path in run.files():
            folder = path.relative_to(run.path).parent.as_posix()
            self._put(target, path, "" if folder == "." else folder)
        self._client.set_terminated(name, "FINISHED", ended)

    def _put(self, target: "Run", path: Path, folder: str) -> None:
        """Keep a file with a run: on the server, or beside the SQLite file."""
        place = target.info.artifact_uri
        if self._folder is None or not place.startswith(SERVED):
            self._client.log_artifact(target.info.run_id, str(path), folder or None)
            return
        kept = self._folder / "artifacts" / place.removeprefix(SERVED).lstrip("/")
        (kept / folder).mkdir(parents=True, exist_ok=True)
        copy = kept / folder / path.name
        copy.unlink(missing_ok=True)
        link_or_copy(path, copy)

    def _runs(self, tag: str, value: str) -> list["Run"]:
        """Return the runs with this value of a tag, the oldest first."""
        return list(
            self._client.search_runs(
                [self._experiment],
                f"tags.`{tag}` = '{value}'",
                order_by=["attributes.start_time ASC"],
                max_results=1000,
            )
        )

    def _connect(self) -> None:
        """Find the experiment, or make it."""
        from mlflow import MlflowClient

        if self._file and not self._file.exists():
            self._make_database()
        elif self._file:
            _require_database(self._file)
        self._client = MlflowClient(self._uri)
        found = self._client.get_experiment_by_name(self._name)
        self._experiment = (
            found.experiment_id
            if found
            else self._client.create_experiment(self._name, tags=EXPERIMENT_TAGS)
        )

    def _make_database(self) -> None:
        """Make the SQLite file beside its place, so that it is whole or not there."""
        from mlflow import MlflowClient

        part = self._file.with_name(f".{self._file.name}.part")
        for left in self._folder.glob(f"{part.name}*"):
            left.unlink()  # of an export that was killed
        MlflowClient(f"{SQLITE}{part}").search_experiments(max_results=1)
        part.replace(self._file)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other export writes into the same SQLite file."""
        if self._folder is None:
            yield
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / ".lock", "w") as handle:
            with contextlib.suppress(OSError):  # some network file systems have none
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _advice(self) -> str:
        if self._file and self._file.is_file():
            return (
                "call mmdet-flow track again; if the file is broken, move it away "
                "first, and all runs can be exported anew"
            )
        return "call mmdet-flow track again when the tracker works"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        import requests
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (
            *(MlflowException, SQLAlchemyError, requests.RequestException),
            *(ImportError, OSError),  # no driver of a database; no folder for the file
            sqlite3.Error,
        ) as error:
            scrub = Scrubber()
            lines = str(error).splitlines() or [type(error).__name__]
            reason = "cannot be reached" if _is_out_of_reach(error) else lines[0]
            raise ServiceError(
                f"{scrub(self._uri)}: {scrub(reason)}; the results stay as they are, "
                f"{self._advice()}"
            ) from error


def _require_database(path: Path) -> None:
    """Raise sqlite3.Error for what SQLite does not open.

    MLflow tries for 100 seconds to open it, since it takes it for a server.
    """
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA schema_version")


def prepare() -> None:
    """Have MLflow report nothing to others, before it is imported."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def _is_out_of_reach(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is one of the connection."""
    import requests

    while error is not None:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            return True
        error = error.__cause__ or error.__context__
    return False
