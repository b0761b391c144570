import hashlib
import json
import shutil
import subprocess
from importlib.metadata import version

import pytest

from mmdet_flow import layout
from tests.conftest import command_of, run_command, the_error
from tests.record.conftest import CONFIG, NAME, PASSWORD

record = command_of("step record")

WRITTEN = (layout.RECORD, layout.JOBS, layout.CRATE)


def write(run, *options) -> dict:
    """Run the command, and return the record."""
    assert record([str(run), "--config", json.dumps(CONFIG), *options]) == 0
    return json.loads((run / layout.RECORD).read_text())


def test_what_was_made_is_there_with_its_hash(run):
    content = write(run, "--campaign", "seas", "--round", "2")
    assert content["name"] == NAME and content["campaign"] == "seas"
    assert content["round"] == 2 and write(run)["round"] is None
    assert content["seeds"] == {"model": 7, "splits": 0}
    assert content["training"]["precision"] == "fp32"
    assert content["classes"]["names"] == ["leaf", "pebble", "shell"]
    made = {"evaluation/metrics.json", "model/checkpoint.pth", "splits/test.json"}
    assert made | {"summary.txt", "training/metrics.jsonl"} <= content["outputs"].keys()
    for name, own in content["outputs"].items():
        data = (run / name).read_bytes()
        assert own == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert content["packages"]["main"]["torch"] == version("torch")
    assert "wai.annotations.core" in content["packages"]["wai-annotations"]


def test_tiles_are_recorded_with_how_they_were_cut(run):
    (run / "tiles").mkdir()
    (run / "tiles/report.json").write_text("{}")
    config = CONFIG | {"tiles": {"size": 640, "overlap": 0.2}}
    assert record([str(run), "--config", json.dumps(config)]) == 0
    content = json.loads((run / layout.RECORD).read_text())
    assert content["outputs"]["tiles/report.json"]["bytes"] == 2
    assert content["config"]["tiles"] == {"size": 640, "overlap": 0.2}
    crate = json.loads((run / layout.CRATE).read_text())["@graph"]
    assert {"#value-tiles.size", "tiles/report.json"} <= {one["@id"] for one in crate}


def test_the_images_can_be_checked_with_sha256sum(run):
    before = write(run)["data"]
    line = "cd dataset/images && ls | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.check_output(["bash", "-c", line], cwd=run, text=True)
    assert before["test"]["images_sha256"] == said.split()[0]
    assert before["test"]["images"] == 2 and before["test"]["objects"] == 3
    with open(run / "dataset" / "images" / "2.png", "ab") as stream:
        stream.write(b"x")
    after = write(run)["data"]
    assert after["test"]["images_sha256"] != before["test"]["images_sha256"]
    assert after["test"]["annotations_sha256"] == before["test"]["annotations_sha256"]


def test_jobs_have_commands_and_in_a_file_of_their_own_times(run):
    steps = write(run)["steps"]
    assert steps["summarize"] == {
        "rule": "summarize",
        "command": "echo 'Experiment sea-side' > results/sea-side/summary.txt "
        "2> results/sea-side/logs/summarize.log",
        "inputs": ["predictions/images.csv"],
        "outputs": ["summary.txt"],
    }
    assert steps.keys() == {"summarize", "predict_images"}
    times = json.loads((run / layout.JOBS).read_text())
    assert times["jobs"]["summarize"]["started"].startswith("20")
    assert 0 <= times["jobs"]["predict_images"]["seconds"] < 60
    assert times["machine"]["cores"] >= 1 and times["machine"]["memory_gb"] > 0
    assert "started" not in (run / layout.RECORD).read_text()


def test_the_same_run_gives_the_same_bytes_anywhere(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write(run)
    copy = shutil.copytree(tmp_path / "work", tmp_path / "elsewhere") / run
    monkeypatch.chdir(tmp_path / "elsewhere")
    for name in WRITTEN:
        (copy / name).unlink()
    write(copy)
    for name in (layout.RECORD, layout.CRATE):
        assert (copy / name).read_bytes() == (
            tmp_path / "work" / run / name
        ).read_bytes()
        assert str(tmp_path) not in (copy / name).read_text()
    crate = (copy / layout.CRATE).read_text()
    assert '"datePublished": "2023-11-14T22:13:20+00:00"' in crate
    assert "startTime" not in crate


def test_nothing_secret_is_in_any_file(run, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "tok-of-the-environment")
    monkeypatch.setenv("DATABASE", "nothing-of-this-is-asked-for")
    (run / "summary.txt").write_text("x")
    config = json.dumps(CONFIG | {"track": "x tok-of-the-environment y"})
    done = run_command("mmdet-flow step record", run, "--config", config)
    assert done.returncode == 0, done.stderr
    for name in WRITTEN:
        text = (run / name).read_text()
        for secret in (PASSWORD, "tok-of-the", "nothing-of-this", "alice"):
            assert secret not in text, (name, secret)
    content = json.loads((run / layout.RECORD).read_text())
    assert content["config"]["predict"]["options"] == "--redis_password *** --quiet"
    assert content["config"]["data"]["images"] == ".../sea"
    assert "s3://***@store/sea" in content["steps"]["predict_images"]["command"]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("dataset/images/1.png", "make the data set again"),
        ("splits/val.json", "check the path"),
    ],
)
def test_a_run_that_is_not_whole_is_one_line(run, gone, expected):
    (run / gone).unlink()
    failed = run_command("mmdet-flow step record", run)
    assert failed.returncode == 3
    assert gone in the_error(failed) and expected in failed.stderr


def test_a_run_by_hand_is_recorded_too(run):
    shutil.rmtree(".snakemake")
    shutil.rmtree(run / "training")
    assert record([str(run)]) == 0
    content = json.loads((run / layout.RECORD).read_text())
    assert content["steps"] == {} and content["config"] is None
    assert content["training"] is None
