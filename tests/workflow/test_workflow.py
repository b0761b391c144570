"""The workflow, run by snakemake as a user runs it."""

import csv
import json
import re

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from tests.conftest import NARROW, ROOT, SEGMENTER, assert_valid_opex, run_command

SMALL = {
    "experiments": {
        "example": {
            "data": {
                "format": "opex",
                "annotations": "data/example",
                "images": "data/example",
            },
            "model": {
                "base": SEGMENTER,
                "image_size": 96,
                "epochs": 1,
                "cfg_options": [*NARROW],
            },
            "predict": {"images_per_shard": 2, "score": 0.0},
        }
    }
}


def write_config(folder, config) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder, *options, **variables):
    return run_command(
        *("snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder),
        *("--cores", "2", *options),
        **variables,
    )


@pytest.mark.first
def test_the_whole_chain_then_nothing_to_do(tmp_path):
    write_config(tmp_path, SMALL)
    run_command(
        "mmdet-flow start example",
        "--output",
        tmp_path / "data/example",
        "--images",
        "20",
    )
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]
    results = tmp_path / "results/example"
    tested = (results / "splits/test.txt").read_text().split()
    opex = sorted(results.glob("predictions/shard-*/opex/*.json"))
    assert len(opex) == len(tested) == 3
    objects = sum(len(assert_valid_opex(path.read_text())["objects"]) for path in opex)
    with open(results / "predictions/objects.csv", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == objects > 0
    summary = (results / "summary.txt").read_text()
    assert "mAP" in summary and re.search(r"data +20 images, \d+ objects", summary)
    metrics = json.loads((results / "evaluation/metrics.json").read_text())
    assert metrics["images"] == 3
    gallery = (results / "evaluation/gallery.html").read_text()
    assert all(f"<b>{name}</b>" in gallery for name in tested)
    thresholds = json.loads((results / "evaluation/thresholds.json").read_text())
    assert thresholds["images"] == len(
        (results / "splits/val.txt").read_text().splitlines()
    )
    for path in results.rglob("*"):
        if path.is_file() and "logs" not in path.parts and "training" not in path.parts:
            assert str(tmp_path).encode() not in path.read_bytes(), path
    again = snakemake(tmp_path)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr
    check_record(tmp_path)
    check_notebook(tmp_path)
    answered = snakemake(tmp_path, "results/example/serving/round_trip.txt")
    assert answered.returncode == 0, answered.stderr[-3000:]
    report = (results / "serving/round_trip.txt").read_text()
    assert "sent 3, answered 3" in report and "different 0" in report
    # A stage that fails takes its output with it; what later stages made before must
    # not pass for finished then.
    (results / "model/checkpoint.pth").unlink()
    after_failure = snakemake(tmp_path, "-n")
    assert "rule train_model" in after_failure.stdout + after_failure.stderr
    assert "rule predict_images" in after_failure.stdout + after_failure.stderr


def check_record(folder) -> None:
    """Check the record of a finished workflow, and what a tracker that is down does."""
    record = json.loads((folder / "results/example/run.json").read_text())
    assert record["config"]["model"]["image_size"] == 96
    steps = record["steps"]
    assert steps["train_model"]["outputs"] == [
        "model/checkpoint.pth",
        "model/curves.png",
    ]
    assert "dataset/images" in steps["convert_annotations"]["outputs"]
    assert steps["predict_images-1"]["command"].startswith(
        "mmdet-flow predict --checkpoint"
    )
    assert (folder / "results/example/ro-crate-metadata.json").is_file()
    receipt = folder / "results/tracking/example.json"
    assert json.loads(receipt.read_text()) == {"tracked": True, "tries": 0}

    write_config(folder, SMALL | {"track": {"uri": "http://127.0.0.1:9"}})
    down = snakemake(folder)
    assert down.returncode == 0, down.stderr[-3000:]
    assert "WARNING not tracked: http://127.0.0.1:9: cannot be reached" in down.stderr
    assert json.loads(receipt.read_text())["tracked"] is False
    tried_again = snakemake(folder, "-n")
    assert "rule track_run" in tried_again.stdout + tried_again.stderr
    write_config(folder, SMALL)
    up = snakemake(folder)
    assert up.returncode == 0 and "is there already" not in up.stderr
    log = folder / "results/example/logs/track_run.log"
    assert "is there already" in log.read_text()
    assert json.loads(receipt.read_text())["tracked"] is True
    assert "Nothing to be done" in snakemake(folder).stderr


def check_notebook(folder) -> None:
    """Run the notebook of docs/ where config.yaml is, as its first cell says."""
    notebook = nbformat.read(ROOT / "docs/results.ipynb", as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=place).execute()
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    pictures = [one for one in outputs if "image/png" in one.get("data", ())]
    assert len(pictures) == 4
    assert "experiments: example" in outputs[0]["text"]


def test_a_missing_folder_is_named(tmp_path):
    config = json.loads(json.dumps(SMALL))
    config["experiments"]["example"]["data"]["images"] = "data/nowhere"
    write_config(tmp_path, config)
    run = snakemake(tmp_path, "-n")
    assert run.returncode != 0
    expected = "example.data.images: there is no folder data/nowhere; correct the path"
    assert expected in run.stdout + run.stderr


def test_the_shown_configs_are_valid(tmp_path):
    for path in (ROOT / "config.yaml", ROOT / "tests/configs/bccd.yaml"):
        content = path.read_text()
        if "bccd" in path.name:
            content = re.sub("data/bccd[^\n]*", "data/example", content)
        (tmp_path / "config.yaml").write_text(content)
        run = snakemake(tmp_path, "-n")
        assert run.returncode == 0, run.stderr


def test_every_rule_is_described_with_log_and_environment(tmp_path):
    """Snakemake looks at logs and environments itself, and lists rules with texts."""
    write_config(tmp_path, SMALL)
    linted = snakemake(tmp_path, "--lint")
    assert linted.returncode == 0, linted.stderr
    assert "your workflow is in a good condition" in linted.stderr
    listed = snakemake(tmp_path, "--list-rules").stdout.splitlines()
    described = dict(re.findall(r"^(\w+) \((.+)\)$", "\n".join(listed), re.M))
    assert {"train_model", "round_trip", "compare_experiments"} <= described.keys()
    assert len(described) == len(listed)


def test_every_config_key_is_described():
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())

    def check(node, place):
        for key, value in node.get("properties", {}).items():
            assert value.get("description"), f"{place}.{key} has no description"
            check(value, f"{place}.{key}")

    check(schema, "config")
    check(schema["$defs"]["campaign"], "campaign")
    check(schema["$defs"]["sections"], "experiment")


OF_SEVERAL_PYTHONS = ("predict.txt", "wai-annotations.txt")
"""Locks that have other versions for some Pythons."""


def test_the_lock_pins_everything_exactly():
    for path in (ROOT / "envs").glob("*.txt"):
        for line in path.read_text().splitlines():
            if line and not line.startswith("#"):
                pinned, _, marker = line.partition("; ")
                assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][^\s;]*", pinned), line
                assert not marker or path.name in OF_SEVERAL_PYTHONS, line
