"""Trainings with a time limit: they end early and properly, and can be repeated."""

import signal

import pytest

from mmdet_flow.files import read_json, read_json_lines
from mmdet_flow.model.course import Course
from tests.conftest import patched_config, run_command
from tests.model.test_train import EACH, stop_training, train_command

LATE = ("--hours", "0.0001")
"""A third of a second, which is over before the first iteration ends."""

TURN = (1, 11)
"""What is then decided: the 10 iterations that are left at least."""


@pytest.fixture(scope="module")
def config(dataset, tmp_path_factory):
    """The config of 8 epochs of 3 iterations, small images in the first 4 of them."""
    path = tmp_path_factory.mktemp("hours") / "config.py"
    return patched_config(dataset, path, 8, val_interval=3, grow_from=0.5)


@pytest.fixture(scope="module")
def shortened(config):
    """A training that was late from the beginning, killed after it had been decided."""
    work = config.parent / "shortened"
    command = train_command(config, work, *LATE, *EACH)
    assert stop_training(command, work, 3, signal.SIGKILL) == -signal.SIGKILL
    run = run_command(*command)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "resuming from" in run.stderr
    return work


def rates(work) -> list[float]:
    """Return the learning rates after each iteration."""
    lines = read_json_lines(work / "metrics.jsonl")
    return [line["lr"] for line in lines if line["mode"] == "train"]


def test_what_was_decided_is_recorded_and_the_same_after_a_kill(shortened):
    recipe = read_json(shortened / "recipe.json")
    plan = {"planned": 24, "epoch_length": 3}
    decided = dict(zip(("iteration", "end"), TURN, strict=True))
    assert recipe["shortened"] == [decided | plan]
    assert recipe["hours"] == 0.0001
    assert sorted(path.name for path in shortened.glob("iter_*")) == [
        "iter_10.pth",
        "iter_11.pth",
    ]
    lines = read_json_lines(shortened / "metrics.jsonl")
    validated = [(one["iter"], one["epoch"]) for one in lines if one["mode"] == "val"]
    assert validated == [(9, 3), (11, 4)], "at the end, though within an epoch"


def test_the_plan_is_gone_through_to_its_end_and_its_large_images(
    config, shortened, tmp_path
):
    """The learning rates are those of a whole training, at the places of the plan."""
    whole = tmp_path / "whole"
    run = run_command(*train_command(config, whole))
    assert run.returncode == 0, run.stderr[-2000:]
    assert "shortened" not in read_json(whole / "recipe.json")
    planned, course = rates(whole), Course(24).turned(*TURN)
    assert len(planned) == 24 and len(set(planned)) >= 12
    passed = [planned[course.place(done) - 1] for done in range(1, 12)]
    assert rates(shortened) == passed and passed[-1] == planned[-1]
    said = "".join(path.read_text() for path in shortened.glob("*/*.log"))
    assert "Switch pipeline now!" in said


def test_the_same_bytes_are_made_again_by_what_the_config_states(
    config, shortened, tmp_path
):
    """Without a clock: not killed, and with what the other one recorded."""
    work = tmp_path / "stated"
    stated = f"train_cfg.shortened=[{list(TURN)}]".replace(" ", "")
    run = run_command(*train_command(config, work), "--cfg-options", stated)
    assert run.returncode == 0, run.stderr[-2000:]
    published = shortened.with_suffix(".pth").read_bytes()
    assert work.with_suffix(".pth").read_bytes() == published
    assert b"shortened" in published
    assert rates(work) == rates(shortened)


def test_the_published_config_has_the_plan_and_what_was_decided(shortened):
    from mmdet_flow.model.checkpoint import load_checkpoint
    from mmdet_flow.model.config_text import read_config_text

    path = shortened.with_suffix(".pth")
    loop = read_config_text(load_checkpoint(path).config, path).train_cfg
    assert loop.shortened == [list(TURN)] and loop.max_epochs == 8


def test_verify_repeats_what_was_decided(shortened):
    run = run_command("mmdet-flow model verify", shortened, "--iterations", "11")
    assert run.returncode == 0, run.stderr[-2000:]
    assert "equal: 11 iterations" in run.stdout
