"""A training whose process, or whose workflow, is killed at random times."""

import copy
import random
import re
import subprocess
import time

import psutil
import pytest

from tests.conftest import BIN, ROOT, run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

CHECKPOINT = "results/example/model/checkpoint.pth"
KILLS = 5


@pytest.mark.slow
def test_a_killed_training_is_tried_again_to_the_same_bytes(tmp_path):
    """The training is killed under Snakemake, which retries; then both are killed."""
    config = copy.deepcopy(SMALL)
    settings = {"epochs": 40, "batch_size": 4, "val_interval": 3, "save_minutes": 0}
    config["experiments"]["example"]["model"] |= settings
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    for place in (whole, folder):
        place.mkdir()
        write_config(place, config)
        run_command(
            "mmdet-flow start example",
            "--output",
            place / "data/example",
            "--images=20",
        )
    assert snakemake(whole, CHECKPOINT).returncode == 0

    dice = random.Random(1)
    workflow = start_workflow(folder, "--retries", KILLS)
    for _ in range(KILLS):
        wait_for_progress(folder, workflow)
        time.sleep(dice.uniform(0, 3))
        training_of(workflow).kill()
    wait_for_progress(folder, workflow)
    kill_all(workflow)
    assert not (folder / CHECKPOINT).exists()

    unlocked = snakemake(folder, "--unlock")
    assert unlocked.returncode == 0, unlocked.stderr
    run = snakemake(folder, "--rerun-incomplete", CHECKPOINT)
    assert run.returncode == 0, run.stderr[-3000:]
    said = (folder / "snakemake.log").read_text()
    assert said.count("Trying to restart job") == KILLS
    log = (folder / "results/example/logs/train_model.log").read_text()
    assert int(re.search(r"resuming from .*iter_(\d+)", log)[1]) > KILLS
    assert (folder / CHECKPOINT).read_bytes() == (whole / CHECKPOINT).read_bytes()


def start_workflow(folder, *options) -> psutil.Popen:
    with open(folder / "snakemake.log", "w") as log:
        return psutil.Popen(
            [
                *(BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "--cores=2"),
                *("--directory", folder, CHECKPOINT, *map(str, options)),
            ],
            stderr=log,
            stdout=subprocess.DEVNULL,
        )


def newest_state(folder) -> int:
    states = (folder / "results/example/training").glob("iter_*.pth")
    return max((int(path.stem.removeprefix("iter_")) for path in states), default=0)


def wait_for_progress(folder, workflow) -> None:
    """Wait until a training saves a newer state than those that are there."""
    before, deadline = newest_state(folder), time.monotonic() + 120
    while newest_state(folder) <= before:
        assert workflow.poll() is None, (folder / "snakemake.log").read_text()[-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def training_of(workflow) -> psutil.Process:
    """Return the process that trains, below Snakemake and its shells."""
    (found,) = (
        child
        for child in workflow.children(recursive=True)
        if child.cmdline()[2:4] == ["model", "train"]
    )
    return found


def kill_all(workflow) -> None:
    for process in [workflow, *workflow.children(recursive=True)]:
        process.kill()
    workflow.wait()
