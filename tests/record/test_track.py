"""The export to real MLflow trackers: the SQLite file, and a server."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from mmdet_flow.errors import ServiceError
from mmdet_flow.record.track import EXPERIMENT, default_uri
from mmdet_flow.record.tracked import POINTS, TrackedRun, tracked_name
from mmdet_flow.record.tracker import Tracker, prepare
from tests.conftest import BIN, command_of, run_command, the_error
from tests.record.conftest import CONFIG, NAME, PASSWORD, metrics_lines

record = command_of("step record")
track = command_of("track")

DATABASE = Path("results/tracking/mlflow.db")


@pytest.fixture
def recorded(run):
    """A run with its record, in the working directory."""
    return write_record(run)


def write_record(run: Path, *options, config: dict = CONFIG) -> Path:
    args = [str(run), "--config", json.dumps(config), "--quiet", *options]
    assert record(args) == 0
    return run


def client(uri: str | None = None):
    """Return a client of a server, or of the file in the working directory."""
    prepare()
    from mlflow import MlflowClient

    return MlflowClient(uri or f"sqlite:///{DATABASE.resolve()}")


def runs_of(client) -> list:
    """Return the runs of the only experiment, the newest version first."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    return sorted(found, key=lambda one: one.data.tags.get("version", ""), reverse=True)


def history(client, run, name: str) -> list[tuple[int, float]]:
    found = client.get_metric_history(run.info.run_id, name)
    return [(one.step, one.value) for one in found]


def test_a_run_is_there_with_params_metrics_hashes_and_files(recorded):
    assert track([str(recorded)]) == 0
    tracker = client()
    (run,) = runs_of(tracker)
    assert history(tracker, run, "train/loss") == [
        (1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3)), (4, 0.25),
    ]  # fmt: skip
    assert history(tracker, run, "validation/bbox_mAP") == [(4, 0.5)]
    assert run.info.run_name == NAME and run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time > 1.7e12
    assert run.data.params["model.seed"] == "7"
    assert run.data.params["predict.options"] == "--redis_password *** --quiet"
    measured = json.loads((recorded / "evaluation/metrics.json").read_text())
    assert run.data.metrics["test/bbox_mAP"] == measured["metrics"]["bbox"]["mAP"]
    assert "validation/bbox_mAP_l" not in run.data.metrics  # -1 is n/a
    content = json.loads((recorded / "run.json").read_text())
    tags = run.data.tags
    checkpoint = content["outputs"]["model/checkpoint.pth"]["sha256"]
    assert tags["sha256.checkpoint"] == checkpoint
    assert tags["sha256.test.images"] == content["data"]["test"]["images_sha256"]
    assert (tags["version"], tags["latest"]) == ("1", "true")
    place = run.info.artifact_uri.removeprefix("mlflow-artifacts:/").lstrip("/")
    kept = DATABASE.parent / "artifacts" / place
    assert (kept / "evaluation/curves.png").samefile(recorded / "evaluation/curves.png")
    # The folder can be moved, and holds neither places nor secrets.
    database = DATABASE.read_bytes()
    for word in (os.getcwd(), PASSWORD, "alice"):
        assert word.encode() not in database


def test_twice_is_once_and_a_changed_run_is_a_new_version(recorded):
    for _ in range(2):
        assert track([str(recorded)]) == 0
    tracker = client()
    (first,) = runs_of(tracker)
    assert len(history(tracker, first, "train/loss")) == 4
    changed = CONFIG | {"model": {"seed": 8}}
    write_record(recorded, config=changed)
    assert track([str(recorded)]) == 0
    tracker = client()
    new, old = runs_of(tracker)
    assert old.info.run_id == first.info.run_id
    assert (new.info.run_name, old.info.run_name) == (NAME, f"{NAME} (version 1)")
    assert (new.data.params["model.seed"], new.data.tags["version"]) == ("8", "2")
    # Back to what was: it is there, and has the name again.
    write_record(recorded)
    assert track([str(recorded)]) == 0
    tracker = client()
    latest = {one.data.tags["version"]: one for one in runs_of(tracker)}
    assert latest.keys() == {"1", "2"}
    assert latest["1"].info.run_name == NAME
    assert latest["2"].data.tags["latest"] == "false"


def test_an_export_that_broke_off_is_finished(recorded, monkeypatch):
    place = default_uri(recorded)
    tracker = Tracker(place, EXPERIMENT)

    def break_off(*args):
        raise ServiceError("the line is cut")

    monkeypatch.setattr(tracker, "_put", break_off)
    with pytest.raises(ServiceError):
        tracker.export(TrackedRun(recorded))
    seen = client()
    (half,) = runs_of(seen)
    assert half.info.status == "FAILED"
    assert track([str(recorded)]) == 0
    seen = client()
    (whole,) = runs_of(seen)
    assert whole.info.run_id == half.info.run_id
    assert whole.info.status == "FINISHED"
    assert len(history(seen, whole, "train/loss")) == 4


NAMES = [
    *("grade <1", "grade >1", "a//b", "a/b", "a", "..", ".", "...", "", " a", "a "),
    *("x" * 240, "x" * 241, "細胞" * 100, "細胞" * 101, "細胞", "кл", "a:b", "a;b"),
    *("grade _1", tracked_name("grade <1"), "\n", "a\nb", "/", "a b", "a  b"),
]


def test_names_of_classes_stay_apart_and_mlflow_takes_them(recorded):
    prepare()
    from mlflow.entities import Metric

    names = [f"test bbox by class/{tracked_name(name)}" for name in NAMES]
    assert len({*names}) == len(NAMES)
    assert [tracked_name(name) for name in ("a b", "細胞")] == ["a b", "細胞"]
    assert track([str(recorded)]) == 0
    tracker = client()
    (run,) = runs_of(tracker)
    metrics = [Metric(name, at, 0, 0) for at, name in enumerate(names)]
    tracker.log_batch(run.info.run_id, metrics=metrics)
    (run,) = runs_of(tracker)
    kept = [run.data.metrics[name] for name in names]
    assert kept == [*range(len(NAMES))]
    for name in NAMES:
        tracker.set_tag(run.info.run_id, f"class.{tracked_name(name)}", name)


def test_a_database_is_whole_or_not_there(recorded):
    DATABASE.parent.mkdir()
    for name in (".mlflow.db.part", ".mlflow.db.part-journal"):
        (DATABASE.parent / name).write_bytes(b"what a killed export left")
    assert track([str(recorded)]) == 0
    assert not [*DATABASE.parent.glob(".mlflow.db.part*")]
    assert len(runs_of(client())) == 1


@pytest.mark.parametrize(
    "uri", ["mysql+pymysql://alice:{}@127.0.0.1:1/x", "sqlite:///."]
)
def test_a_tracker_that_cannot_be_used_is_one_line(uri, recorded, capsys):
    assert track([str(recorded), "--uri", uri.format(PASSWORD)]) == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert "call mmdet-flow track again" in line and PASSWORD not in line
    track([str(recorded), "--uri", uri.format(PASSWORD), "--debug"])
    said = capsys.readouterr().err
    assert "Traceback" in said and PASSWORD not in said


def test_a_broken_database_stays_and_is_told_of(recorded, capsys):
    DATABASE.parent.mkdir()
    DATABASE.write_bytes(b"what an older version left, cut")
    assert track([str(recorded)]) == 5
    assert "move it away" in capsys.readouterr().err
    assert DATABASE.read_bytes() == b"what an older version left, cut"


def test_experiments_of_a_campaign_are_nested(recorded):
    others = []
    for seed in (0, 1):
        other = recorded.with_name(f"seas-seed{seed}")
        shutil.copytree(recorded, other)
        others.append(write_record(other, "--campaign", "seas"))
    assert track([str(one) for one in (recorded, *others)]) == 0
    tracker = client()
    runs = {one.info.run_name: one for one in runs_of(tracker)}
    assert runs.keys() == {NAME, "seas", "seas-seed0", "seas-seed1"}
    parent = runs["seas"].info.run_id
    for one in others:
        assert runs[one.name].data.tags["mlflow.parentRunId"] == parent
    assert "mlflow.parentRunId" not in runs[NAME].data.tags


def test_a_round_says_which_it_is_and_how_many_images_were_labelled(recorded):
    split = recorded / "splits" / "train.json"
    more = json.loads(split.read_text())
    more["images"].append(more["images"][0] | {"id": 99, "file_name": "new.png"})
    split.write_text(json.dumps(more))
    images = recorded / "dataset" / "images"
    shutil.copy(images / "1.png", images / "new.png")
    write_record(recorded, "--campaign", "loop", "--round", "1")
    assert track([str(recorded)]) == 0
    runs = {one.info.run_name: one for one in runs_of(client())}
    params = runs[NAME].data.params
    # All others are tested as well, in this data set.
    assert (params["round"], params["labelled_images"]) == ("1", "1")
    parent = runs["loop"].info.run_id
    assert runs[NAME].data.tags["mlflow.parentRunId"] == parent


def test_a_long_training_is_thinned_and_keeps_its_end(recorded):
    (recorded / "training" / "metrics.jsonl").write_text(metrics_lines(2 * POINTS + 1))
    points = TrackedRun(recorded).points()
    steps = [point.step for point in points if point.name == "train/loss"]
    assert len(steps) <= POINTS and steps[-1] == 2 * POINTS + 1
    assert steps == sorted(steps)


def test_what_is_too_long_for_a_tracker_is_cut(run):
    (run / "summary.txt").write_text("many words " * 2000)
    classes = [f"class-{number}" for number in range(2000)]
    write_record(run, config={"data": {"classes": classes}})
    assert track([str(run)]) == 0
    (tracked,) = runs_of(client())
    assert tracked.data.params["data.classes"].startswith('["class-0", "class-1"')
    assert json.loads((run / "run.json").read_text())["config"]["data"] == {
        "classes": classes
    }


def test_a_tracker_that_is_down_is_one_line_and_a_later_call_catches_up(
    recorded, free_port, capsys
):
    uri = f"http://user:{PASSWORD}@127.0.0.1:{free_port}"
    down = run_command("mmdet-flow track", recorded, "--uri", uri)
    assert down.returncode == 5
    line = the_error(down)
    assert "cannot be reached" in line and "call mmdet-flow track again" in line
    assert len(down.stderr.splitlines()) == 1 and PASSWORD not in down.stderr
    # In the workflow it is a warning, and the job ends well.
    receipt = Path("receipt.json")
    options = [str(recorded), "--receipt", str(receipt), "--tries", "3"]
    assert track([*options, "--uri", uri]) == 0
    said = capsys.readouterr().err
    assert "WARNING not tracked: http://***@127.0.0.1" in said
    assert PASSWORD not in said
    assert json.loads(receipt.read_text()) == {"tracked": False, "tries": 3}
    assert track(options) == 0
    assert "exported as version 1" in capsys.readouterr().err
    assert json.loads(receipt.read_text()) == {"tracked": True, "tries": 3}
    assert len(runs_of(client())) == 1


def test_what_has_no_record_is_refused(run):
    refused = run_command("mmdet-flow track", run)
    assert refused.returncode == 3
    assert "has no run.json; make it with mmdet-flow step record" in the_error(refused)


@pytest.fixture
def server(free_port, tmp_path):
    """The address of a real server."""
    process = subprocess.Popen(
        [
            *(BIN / "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
            *("--port", str(free_port), "--artifacts-destination", tmp_path / "kept"),
            *("--backend-store-uri", f"sqlite:///{tmp_path}/server.db"),
        ],
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{free_port}"
    for _ in range(600):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/health")
            break
        time.sleep(0.2)
    yield address
    process.terminate()
    process.wait(timeout=60)


@pytest.mark.slow
def test_a_server_keeps_runs_and_files(recorded, server, monkeypatch):
    for _ in range(2):
        assert track([str(recorded), "--uri", server]) == 0
    tracker = client(server)
    (run,) = runs_of(tracker)
    assert len(history(tracker, run, "train/loss")) == 4
    folders = {one.path for one in tracker.list_artifacts(run.info.run_id)}
    assert {"evaluation", "model", "run.json"} <= folders
    fetched = tracker.download_artifacts(run.info.run_id, "evaluation/curves.png")
    wanted = recorded / "evaluation" / "curves.png"
    assert Path(fetched).read_bytes() == wanted.read_bytes()
    assert not DATABASE.exists()
