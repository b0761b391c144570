"""The workflow with data and results on an S3 server."""

import io
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, unused_port
from tests.storage.conftest import (
    BUCKET,
    DATA,
    PROJECT,
    SECRET_KEY,
    STORED_DATA,
    config,
    experiment,
    files_below,
    read_below,
    reproducible,
)

pytestmark = pytest.mark.storage

PREFIX = f"{PROJECT}/results"
COPIES = f".snakemake/storage/s3/{BUCKET}/{PROJECT}/"
"""Where the commands of a job find what is in the bucket."""

NAMES_COPIES = ("config.py", "checkpoint.pth", "card.md", ".zip", "summary.txt")
"""Files that say where a job found its inputs, or hold one that does."""


def without_model_hash(name: str, content: bytes) -> object:
    """Return a result without the hash of the checkpoint, which names places."""
    if not name.endswith((".json", ".jsonl")):
        return content
    lines = content.splitlines() if name.endswith("l") else [content]
    return [forget_hash(json.loads(line)) for line in lines]


def forget_hash(node):
    if isinstance(node, dict):
        return {
            key: forget_hash(value)
            for key, value in node.items()
            if key not in ("model_sha256", "checkpoint_sha256", "settings")
        }
    return [forget_hash(one) for one in node] if isinstance(node, list) else node


def weights(content: bytes) -> dict:
    import torch

    return torch.load(io.BytesIO(content), weights_only=False)["state_dict"]


def assert_equal(ours: dict, theirs: dict) -> None:
    """Compare files by name, so that a failure says which differ."""
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_data_by_url_gives_the_bytes_of_files(on_urls, on_files):
    ours = reproducible(read_below(on_urls.results))
    assert_equal(ours, experiment(reproducible(read_below(on_files.results))))
    assert "example/model/checkpoint.pth" in ours
    assert not (on_urls.folder / DATA).exists()


def test_results_in_the_bucket_are_those_of_files(in_bucket, on_files, server):
    """All of them, and nothing here; places of local copies aside."""
    ours = reproducible(server.contents(PREFIX))
    ours = {
        name: content
        for name, content in ours.items()
        if not name.endswith(".snakemake_timestamp")
    }
    theirs = reproducible(read_below(on_files.results))
    assert ours.keys() == theirs.keys()
    differ = [
        name
        for name in ours
        if not name.endswith(NAMES_COPIES)
        and without_model_hash(name, ours[name])
        != without_model_hash(name, theirs[name])
    ]
    assert differ == []
    made = {path.parts[0] for path in relative_files(in_bucket.results)}
    assert made <= {"tracking"}


def relative_files(folder: Path) -> list[Path]:
    return [path.relative_to(folder) for path in files_below(folder)]


def test_weights_in_the_bucket_are_those_of_files(in_bucket, on_files, server):
    import torch

    ours = weights(server.read(f"{PREFIX}/example/model/checkpoint.pth"))
    theirs = weights((on_files.results / "example/model/checkpoint.pth").read_bytes())
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_config_in_the_bucket_differs_by_places_alone(in_bucket, on_files, server):
    ours = server.read(f"{PREFIX}/example/model/config.py").decode()
    theirs = (on_files.results / "example/model/config.py").read_text()
    assert COPIES in ours
    assert "".join(ours.replace(COPIES, "").split()) == "".join(theirs.split())


def test_the_summary_tells_where_results_are(in_bucket, server):
    summary = server.read(f"{PREFIX}/example/summary.txt").decode()
    assert f"s3://{BUCKET}/{PREFIX}/example/model/checkpoint.pth" in summary
    assert ".snakemake" not in summary


@pytest.mark.parametrize("key", ["outputs", "steps", "data", "classes", "config"])
def test_the_record_in_the_bucket_is_that_of_files(in_bucket, on_files, server, key):
    """Which files and which steps, with the inputs and outputs of each."""
    ours = json.loads(server.read(f"{PREFIX}/example/run.json"))[key]
    theirs = json.loads((on_files.results / "example/run.json").read_text())[key]
    if key == "outputs":
        assert ours.keys() == theirs.keys()
    elif key == "steps":
        assert ours.keys() == theirs.keys()
        assert f"s3://{BUCKET}/{PREFIX}/example/" in ours["train_model"]["command"]
        for name, step in ours.items():
            assert step["rule"] == theirs[name]["rule"]
            assert step["inputs"] == theirs[name]["inputs"], name
    else:
        assert ours == theirs


def test_runs_are_tracked_on_this_machine(in_bucket):
    assert (in_bucket.results / "tracking/mlflow.db").is_file()


@pytest.mark.parametrize("runs", ["on_urls", "in_bucket"])
def test_a_second_run_does_nothing(runs, request, server):
    project = request.getfixturevalue(runs)
    before = server.times(PROJECT)
    assert "Nothing to be done" in project.run()
    assert server.times(PROJECT) == before


def test_another_machine_finds_the_results(elsewhere, server):
    """It has the config alone, and does nothing; a changed key repeats what it must."""
    before = server.times(PROJECT)
    assert "Nothing to be done" in elsewhere.run("--rerun-triggers", "mtime")
    assert server.times(PROJECT) == before


def test_a_result_that_is_taken_away_is_made_again(in_bucket, server):
    key = f"{PREFIX}/example/predictions/overview.png"
    before = server.read(key)
    server.client.delete_object(Bucket=BUCKET, Key=key)
    said = in_bucket.run("-n")
    assert "rule draw_predictions:" in said and "rule train_model:" not in said
    in_bucket.run("results/example/predictions/overview.png")
    assert server.read(key) == before


def test_no_secret_is_written_down(in_bucket, on_urls, server):
    texts = [*server.contents(PREFIX).values()]
    for project in (in_bucket, on_urls):
        texts += [path.read_bytes() for path in files_below(project.folder)]
    assert len(texts) > 100
    assert not any(SECRET_KEY.encode() in text for text in texts)


@pytest.mark.parametrize(
    ("runs", "folder"), [("on_urls", f"{STORED_DATA}-2"), ("in_bucket", f"{DATA}-2")]
)
def test_a_folder_that_is_not_there_is_one_line(runs, folder, request, tmp_path):
    run = request.getfixturevalue(runs)
    project = type(run)(tmp_path, run.variables, run.options)
    project.write_config(config(folder))
    tried = project.try_run("-n")
    assert tried.returncode != 0
    said = tried.stdout + tried.stderr
    assert "config, at experiments.example.data.annotations: there is no folder" in said
    assert "shore-2; correct the path" in said and "Traceback" not in said


def test_a_server_that_is_not_there_is_one_line(on_urls, tmp_path):
    nowhere = f"http://127.0.0.1:{unused_port()}"
    variables = on_urls.variables | {"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": nowhere}
    project = type(on_urls)(tmp_path, variables)
    project.write_config(config(STORED_DATA))
    tried = project.try_run("-n")
    said = tried.stdout + tried.stderr
    assert tried.returncode != 0
    assert f"{STORED_DATA} cannot be reached: " in said and "Traceback" not in said


def test_the_bucket_can_be_copied_whole(in_bucket, server, tmp_path):
    """What was made there is a results folder like any other for the commands."""
    from tests.conftest import run_command

    for name, content in server.contents(f"{PREFIX}/example").items():
        path = tmp_path / "example" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    new = tmp_path / "new"
    shutil.copytree(tmp_path / "example/dataset/images", new)
    run = run_command(
        *("mmdet-flow predict", "--package", tmp_path / "example/model/example.zip"),
        *("--prediction_in", new, "--prediction_out", tmp_path / "done"),
        *("--score", "0.0", "--keep_input"),
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    images = [path for path in new.iterdir() if path.suffix == ".jpg"]
    assert len(list((tmp_path / "done").glob("*.json"))) == len(images) > 0
