"""A finished run by hand, with two jobs that a real Snakemake did."""

import json
import shutil
from pathlib import Path

import pytest

from tests.comparison.results import write_experiment
from tests.conftest import run_command
from tests.evaluation.scenes import found_in, truth_of

NAME = "sea-side"
LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
TRUTH = truth_of([LEAF], [LEAF, SHELL])
FOUND = found_in([(*LEAF, 0.9)], [(*LEAF, 0.9), (*SHELL, 0.8)])
PASSWORD = "hunter2-of-redis"
CONFIG = {
    "data": {"format": "voc", "images": "/home/alice/photos/sea", "labels": None},
    "model": {"seed": 7, "epochs": 2, "options": ["a.b=1"]},
    "splits": {"train": 0.5, "seed": 0},
    "tiles": None,
    "predict": {"score": 0.3, "options": f"--redis_password {PASSWORD} --quiet"},
}
WORKFLOW = """
rule predict_images:
    input: "results/sea-side/model/checkpoint.pth"
    output: "results/sea-side/predictions/images.csv"
    log: "results/sea-side/logs/predict_images.log"
    benchmark: "results/sea-side/benchmarks/predict_images.tsv"
    shell: "true --images s3://me:{config[password]}@store/sea; echo file > {output}"

rule summarize:
    input: "results/sea-side/predictions/images.csv"
    output: "results/sea-side/summary.txt"
    log: "results/sea-side/logs/summarize.log"
    shell: "echo 'Experiment sea-side' > {output} 2> {log}"
"""


def metrics_lines(iterations: int = 4) -> str:
    """Return the metrics of a training with a validation at its end."""
    train = [
        {"mode": "train", "iter": n, "epoch": 1, "lr": 0.1, "loss": 1 / n}
        for n in range(1, iterations + 1)
    ]
    val = {"bbox_mAP": 0.5, "bbox_mAP_l": -1.0}
    lines = [*train, {"mode": "val", "iter": iterations, "epoch": 1, **val}]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(scope="session")
def worked(tmp_path_factory) -> Path:
    """A working directory with the results, which tests leave as it is."""
    folder = tmp_path_factory.mktemp("worked")
    run = write_experiment(folder / "results" / NAME, TRUTH, FOUND)
    (run / "training" / "metrics.jsonl").write_text(metrics_lines())
    (folder / "Snakefile").write_text(WORKFLOW)
    done = run_command(
        *("snakemake", "--cores", "1", f"results/{NAME}/summary.txt"),
        *("--config", f"password={PASSWORD}"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(worked, tmp_path, monkeypatch) -> Path:
    """The results folder of a run of one's own, in the working directory."""
    folder = shutil.copytree(worked, tmp_path / "work", copy_function=shutil.copy2)
    monkeypatch.chdir(folder)
    return Path("results") / NAME
