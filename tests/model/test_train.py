import json
import os
import signal
import subprocess
import time

from mmdet_flow.model.train import RECIPE
from tests.conftest import BIN, patched_config, run_command, the_error

THREADS = ("--threads", "2")


def test_the_same_training_gives_the_same_bytes(dataset, trained, tmp_path):
    run = run_command(
        *("mmdet_train", trained.config, "--work-dir", tmp_path / "work", *THREADS),
        *("--publish", tmp_path / "checkpoint.pth"),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    again = (tmp_path / "checkpoint.pth").read_bytes()
    assert again == trained.checkpoint.read_bytes()


def test_a_killed_training_resumes_to_the_same_bytes(dataset, tmp_path):
    config = patched_config(dataset, tmp_path / "config.py", epochs=4)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = (*THREADS, "--resume", "auto", "--publish")
    train = ("mmdet_train", config, "--work-dir")
    run = run_command(*train, whole, *options, tmp_path / "whole.pth")
    assert run.returncode == 0, run.stderr[-2000:]
    process = subprocess.Popen(
        [BIN / train[0], *train[1:], broken, *options, tmp_path / "broken.pth"],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (broken / "epoch_2.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (broken / "epoch_4.pth").exists()
    run = run_command(*train, broken, *options, tmp_path / "broken.pth")
    assert run.returncode == 0, run.stderr[-2000:]
    assert "resuming from" in run.stderr
    assert (tmp_path / "broken.pth").read_bytes() == (
        tmp_path / "whole.pth"
    ).read_bytes()


def test_another_config_starts_anew_and_keeps_the_old_folder(trained, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / RECIPE).write_text('{"sha256": "another"}')
    (work / "epoch_1.pth").write_bytes(b"old")
    run = run_command(
        *("mmdet_train", trained.config, "--work-dir", work, "--resume", *THREADS),
        *("--cfg-options", "train_cfg.max_epochs=1"),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "training starts from the beginning" in run.stderr
    assert (tmp_path / "work.old-1" / "epoch_1.pth").read_bytes() == b"old"
    assert (work / "epoch_1.pth").stat().st_size > 1000


def test_a_checkpoint_that_is_not_there(trained, tmp_path):
    run = run_command(
        *("mmdet_train", trained.config, "--work-dir", tmp_path, "--resume", "no.pth")
    )
    assert run.returncode == 4
    assert "no.pth: there is no such checkpoint" in the_error(run)


def test_data_with_other_classes_are_refused_with_both_lists(
    dataset, trained, tmp_path
):
    content = json.loads((dataset.splits / "train.json").read_text())
    content["categories"].reverse()
    for number, category in enumerate(content["categories"], 1):
        category["id"] = number
    (tmp_path / "train.json").write_text(json.dumps(content))
    config = trained.config.read_text()
    changed = config.replace(
        str(dataset.splits / "train.json"), f"{tmp_path}/train.json"
    )
    (tmp_path / "config.py").write_text(changed)
    run = run_command("mmdet_train", tmp_path / "config.py", "--work-dir", tmp_path)
    assert run.returncode == 3
    error = the_error(run)
    assert "shell, pebble, leaf" in error and "leaf, pebble, shell" in error
