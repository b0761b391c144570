import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import pandas
import pytest
import torch

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import ModelError
from mmdet_flow.files import read_json_lines, read_table
from mmdet_flow.model.metrics import RecordMetrics, draw_curves
from mmdet_flow.model.work_dir import WorkDir
from tests.conftest import BIN, command_of, patched_config, run_command, the_error

THREADS = ("--threads", "1")
"""A model so small gains nothing of two, which take a quarter more processor time."""


@pytest.fixture
def refused(capsys, monkeypatch):
    """A function of the arguments of a training that is refused before it is built.

    It returns exit code and error, and runs here, where torch is imported already.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # to have it back after the command

    def run(*arguments) -> tuple[int, str]:
        code = command_of("model train")(arguments)
        said = capsys.readouterr().err
        assert "Traceback" not in said
        (error,) = [line for line in said.splitlines() if line.startswith("error: ")]
        return code, error

    return run


def test_the_same_training_gives_the_same_bytes(dataset, trained, tmp_path):
    run = run_command(
        *(
            "mmdet-flow model train",
            trained.config,
            "--work-dir",
            tmp_path / "work",
            *THREADS,
        ),
        *("--publish", tmp_path / "checkpoint.pth"),
        PYTHONPROFILEIMPORTTIME="1",
    )
    assert run.returncode == 0, run.stderr[-2000:]
    imported = {line.split("|")[-1].strip() for line in run.stderr.splitlines()}
    assert "mmdet.models" in imported
    assert not imported & {"torch._dynamo", "torch.distributed.fsdp"}
    again = (tmp_path / "checkpoint.pth").read_bytes()
    assert again == trained.checkpoint.read_bytes()


def test_an_image_that_broke_after_the_check_is_named(dataset, tmp_path):
    harmed = replace(dataset, folder=tmp_path / "dataset")
    shutil.copytree(dataset.folder, harmed.folder)
    config = patched_config(harmed, tmp_path / "config.py", epochs=1)
    image = harmed.images / (dataset.splits / "train.txt").read_text().split()[0]
    image.unlink()
    image.write_bytes(b"no image")
    run = run_command("mmdet-flow model train", config, "--work-dir", tmp_path / "work")
    assert run.returncode == 3, run.stderr[-2000:]
    assert str(image) in the_error(run) and "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def long_training(dataset, tmp_path_factory):
    """A config of 8 epochs of 3 iterations, and what it gives without disturbance.

    The images are small in 4 epochs, and of full size in the others.
    """
    folder = tmp_path_factory.mktemp("long")
    config = patched_config(
        dataset, folder / "config.py", 8, val_interval=3, grow_from=0.5
    )
    run = run_command(*train_command(config, folder / "whole", *EACH))
    assert run.returncode == 0, run.stderr[-2000:]
    return config, (folder / "whole.pth").read_bytes()


EACH = ("--save-minutes", "0")
"""Saves a state after every iteration."""


def train_command(config, work, *options):
    """Return a command that goes on with a training, and publishes its result."""
    return (
        *("mmdet-flow model train", config, "--work-dir", work, *THREADS),
        *("--resume", "auto", "--publish", work.with_suffix(".pth"), *options),
    )


def start(command) -> subprocess.Popen:
    words, *arguments = command
    program, *group = words.split()
    return subprocess.Popen(
        [BIN / program, *group, *arguments], stderr=subprocess.DEVNULL
    )


def stop_training(command, work, number, signal_number) -> int:
    """Send a signal once ``number`` states were saved; return the exit code."""
    process = start(command)
    wait_for_state(work, number, process)
    process.send_signal(signal_number)
    return process.wait(timeout=60)


def state_number(path) -> int:
    return int(path.stem.removeprefix("iter_"))


def test_a_killed_training_resumes_to_the_same_bytes(long_training, tmp_path):
    """SIGKILL while images are small, then SIGTERM when they have grown."""
    config, wanted = long_training
    work = tmp_path / "work"
    command = train_command(config, work, *EACH)
    assert stop_training(command, work, 4, signal.SIGKILL) == -signal.SIGKILL
    assert stop_training(command, work, 13, signal.SIGTERM) == 75
    run = run_command(*train_command(config, work))
    assert run.returncode == 0, run.stderr[-2000:]
    assert "resuming from" in run.stderr
    assert work.with_suffix(".pth").read_bytes() == wanted
    assert sorted(path.name for path in work.iterdir() if path.name[0] == ".") == []


@pytest.mark.slow
def test_twenty_kills_at_random_times_change_nothing(dataset, tmp_path):
    """The published checkpoint equals the undisturbed one, bit for bit.

    The sums of two threads are always made in the same order.
    """
    config = patched_config(
        dataset, tmp_path / "config.py", 40, val_interval=3, grow_from=0.5
    )
    whole, work = tmp_path / "whole", tmp_path / "work"
    two = ("--threads", "2")
    run = run_command(*train_command(config, whole, *two))
    assert run.returncode == 0, run.stderr[-2000:]
    dice = random.Random(0)
    command = train_command(config, work, *EACH, *two)
    kills = 0
    for _ in range(200):
        process = start(command)
        newest = max(map(state_number, work.glob("iter_*.pth")), default=0)
        wait_for_state(work, newest + dice.randint(1, 3), process)
        time.sleep(dice.uniform(0, 0.3))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    assert process.returncode == 0 and kills >= 20
    assert work.with_suffix(".pth").read_bytes() == (
        whole.with_suffix(".pth").read_bytes()
    )


def test_a_time_limit_ends_a_job_that_goes_on_in_the_next(long_training, tmp_path):
    """With other threads: it keeps those that it began with."""
    config, whole = long_training
    work = tmp_path / "work"
    first = run_command(*train_command(config, work, "--max-hours", "0.0001"))
    assert first.returncode == 75, first.stderr[-2000:]
    told = "stopped by the time limit after iteration 1 of 24; run again to go on"
    assert told in the_error(first)
    recipe = (work / "recipe.json").read_bytes()
    run = run_command(*train_command(config, work, "--threads", "2"))
    assert run.returncode == 0, run.stderr[-2000:]
    assert "threads stay 1 as at the beginning, not 2" in run.stderr
    assert work.with_suffix(".pth").read_bytes() == whole
    assert (work / "recipe.json").read_bytes() == recipe


RECORD = {"sha256": "a", "threads": 2, "cpu": "AVX2", "versions": {"torch": "1"}}


def whole_state(folder: WorkDir, number: int, monkeypatch) -> None:
    folder.begin(RECORD, "config", None)
    folder.state(number).write_bytes(b"whole")
    monkeypatch.setattr(folder, "_newest_whole", lambda: folder.state(number))


@pytest.mark.parametrize(
    ("cpus", "changes", "noted"),
    [
        (2, {"threads": 1}, {}),
        (2, {"threads": 4}, {}),
        (1, {"threads": 1}, {"threads": 1}),
        (2, {"cpu": "AVX512"}, {"cpu": "AVX512"}),
        (2, {"versions": {"torch": "2"}}, {"versions": {"torch": "2"}}),
    ],
)
def test_what_a_resumed_training_goes_on_with_is_recorded(
    cpus, changes, noted, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(cli, "available_threads", lambda: cpus)
    monkeypatch.setattr(cli.log, "propagate", True)
    folder = WorkDir(tmp_path / "work")
    whole_state(folder, 7, monkeypatch)
    for _ in range(2):  # what changed once is noted once
        assert folder.begin(RECORD | changes, "config", "auto") == folder.state(7)
    resumed = [{"iteration": 7, **noted}] if noted else None
    assert folder.recipe().get("resumed") == resumed
    assert len(caplog.records) == bool(noted)
    assert folder.in_force() | noted == folder.in_force()
    assert folder.recipe()["threads"] == 2


HOLD = """
import os, sys, time
from pathlib import Path
from mmdet_flow.model.work_dir import WorkDir
with WorkDir(Path(sys.argv[1])).alone():
    if os.fork() == 0:  # as a loader's worker, which outlives a killed training
        print("held", flush=True)  # by now it has left the lock to the training
    time.sleep(60)
"""


def test_a_second_training_in_a_folder_is_refused_and_writes_nothing(
    trained, refused, tmp_path
):
    work = tmp_path / "work"
    work.mkdir()
    (work / "best.pth").write_bytes(b"of the first")
    command = [sys.executable, "-c", HOLD, str(work)]
    holder = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        code, error = refused(trained.config, "--work-dir", work)
        assert code == 4 and "another training works here" in error
        assert [path.name for path in tmp_path.iterdir()] == ["work"]
        assert [path.name for path in work.iterdir()] == ["best.pth"]
        holder.kill()
        holder.wait()
        with WorkDir(work).alone():
            pass
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()


def test_a_folder_that_takes_the_place_of_one_put_aside_is_locked_too(tmp_path):
    folder = WorkDir(tmp_path / "work")
    with folder.alone():
        folder.begin({"sha256": "a"}, "config", None)
        folder.best.write_bytes(b"old")
        folder.begin({"sha256": "b"}, "config", "auto")
        for path in (folder.path, tmp_path / "work.old-1"):
            refused = pytest.raises(ModelError, match="another training")
            with refused, WorkDir(path).alone():
                pass
    with WorkDir(folder.path).alone():
        pass


def wait_for_state(work, number, process) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if any(state_number(path) >= number for path in work.glob("iter_*.pth")):
            return
        time.sleep(0.01)


@pytest.mark.slow
def test_a_recipe_that_mixes_earlier_images_goes_on_from_the_end_of_an_epoch(
    dataset, tmp_path
):
    config = patched_config(dataset, tmp_path / "config.py", 3, augment="recipe")
    assert "CachedMosaic" in config.read_text()
    whole, work = tmp_path / "whole", tmp_path / "work"
    assert run_command(*train_command(config, whole)).returncode == 0
    stopped = run_command(*train_command(config, work, "--max-hours", "0.0001"))
    assert stopped.returncode == 75, stopped.stderr[-2000:]
    assert [path.name for path in work.glob("iter_*.pth")] == ["iter_3.pth"]
    resumed = run_command(*train_command(config, work))
    assert "resuming from" in resumed.stderr
    published = [path.with_suffix(".pth").read_bytes() for path in (whole, work)]
    assert published[0] == published[1]


@pytest.mark.slow
def test_a_recipe_that_changes_the_size_of_batches_goes_on_with_the_last_one(
    dataset, tmp_path
):
    """Also: YOLOX, whose batches have a size that depends on the iteration."""
    base = "yolox_tiny_8xb8-300e_coco"
    config = patched_config(dataset, tmp_path / "config.py", 1, base=base)
    every_second = "model.data_preprocessor.batch_augments.0.interval=2"
    options = ("--cfg-options", every_second)
    whole, work = tmp_path / "whole", tmp_path / "work"
    assert run_command(*train_command(config, whole), *options).returncode == 0
    for _ in range(2):
        stopped = run_command(
            *train_command(config, work, "--max-hours", "0.00001"), *options
        )
        assert stopped.returncode == 75, stopped.stderr[-2000:]
    assert max(map(state_number, work.glob("iter_*.pth"))) == 2
    assert run_command(*train_command(config, work), *options).returncode == 0
    published = [path.with_suffix(".pth").read_bytes() for path in (whole, work)]
    assert published[0] == published[1]


def test_a_training_without_progress_ends_early(dataset, tmp_path):
    config = patched_config(dataset, tmp_path / "config.py", 10, val_interval=1)
    run = run_command(
        *train_command(config, tmp_path / "work", "--patience", "2"),
        *("--cfg-options", "optim_wrapper.optimizer.lr=0.0"),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "no better in 2 validations: done" in run.stderr
    assert (tmp_path / "work" / "best.pth").is_file()
    newest = max(map(state_number, (tmp_path / "work").glob("iter_*.pth")))
    assert newest < 30, "three iterations in each of ten epochs"


def test_a_full_disk_leaves_the_state_before_whole(long_training, tmp_path):
    """A limit on the size of files stands in for a full disk."""
    config, _ = long_training
    program, *arguments = train_command(config, tmp_path / "work", *EACH)
    limited = f"ulimit -f 2000; exec {BIN / program} " + " ".join(map(str, arguments))
    run = subprocess.run(
        ["bash", "-c", f"trap '' XFSZ; {limited}"], capture_output=True, text=True
    )
    assert run.returncode == 4
    assert "cannot be saved" in the_error(run)
    assert [*(tmp_path / "work").glob("*.pth")] == []


def test_metrics_that_come_late_have_columns(tmp_path):
    """A first validation that finds nothing, and a loss that begins in epoch 2."""

    def at(epoch):
        return SimpleNamespace(
            work_dir=tmp_path,
            iter=epoch,
            epoch=epoch,
            optim_wrapper=SimpleNamespace(get_lr=lambda: {"lr": [0.1]}),
        )

    def train(hook, epoch, **losses):
        values = {name: torch.tensor(value) for name, value in losses.items()}
        hook.after_train_iter(at(epoch), 0, outputs=values)

    hook = RecordMetrics()
    hook.before_train(at(0))
    train(hook, 0, loss=2.0)
    hook.after_val_epoch(at(1), {})
    train(hook, 1, loss=3.0, loss_l1=1.0)
    hook.after_val_epoch(at(2), {"coco/bbox_mAP": 0.25})
    tables = [tmp_path / name for name in ("training.csv", "validation.csv")]
    for _ in range(2):
        train_rows, val_rows = map(read_table, tables)
        assert [row["loss_l1"] for row in train_rows] == ["", "1.0"]
        assert [row["bbox_mAP"] for row in val_rows] == ["", "0.25"]
        assert [row["epoch"] for row in val_rows] == ["1", "2"]
        written = [path.read_bytes() for path in tables]
        hook = RecordMetrics()
        hook.before_train(at(2))  # as a training that is resumed does
        assert [path.read_bytes() for path in tables] == written


def test_metrics_are_written_as_lines_tables_and_curves(long_training, tmp_path):
    config, _ = long_training
    whole = config.parent / "whole"
    lines = read_json_lines(whole / "metrics.jsonl")
    train = [line for line in lines if line["mode"] == "train"]
    assert [line["iter"] for line in train] == list(range(1, 25))
    assert train[-1]["epoch"] == 8 and train[-1]["loss"] < train[0]["loss"]
    assert [line["epoch"] for line in lines if line["mode"] == "val"] == [3, 6, 8]
    table = pandas.read_csv(whole / "training.csv")
    assert table["loss"].tolist() == [line["loss"] for line in train]
    assert len(pandas.read_csv(whole / "validation.csv")) == 3
    picture = cv2.imread(str(whole / "curves.png"))
    assert picture.shape == (800, 900, 3) and picture.std() > 10
    alone = tmp_path / "train.jsonl"
    alone.write_text("".join(json.dumps(line) + "\n" for line in train))
    draw_curves(alone, tmp_path / "curves.png")
    assert cv2.imread(str(tmp_path / "curves.png")).shape[0] < 600, "an empty panel"
    estimate = json.loads((whole / "estimate.json").read_text())
    assert estimate["total"] == estimate["iterations"] + 20 == 24
    assert [stage["first"] for stage in estimate["stages"]] == [0, 12]


def test_verify_repeats_a_training_or_says_where_it_departs(long_training, tmp_path):
    config, _ = long_training
    run = run_command(
        "mmdet-flow model verify", config.parent / "whole", "--iterations", "3"
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.splitlines()[-1] == "equal: 3 iterations, to the last bit"
    changed = tmp_path / "changed"
    shutil.copytree(config.parent / "whole", changed)
    lines = (changed / "metrics.jsonl").read_text().splitlines()
    third = json.loads(lines[2])
    lines[2] = json.dumps(third | {"loss": third["loss"] + 1e-7})
    (changed / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    run = run_command("mmdet-flow model verify", changed, "--iterations", "3")
    assert run.returncode == 4
    assert "departs at iteration 3: loss is" in the_error(run)


def test_weights_to_start_from(long_training, trained, refused, tmp_path):
    """A full match, then weights of another architecture."""
    config, _ = long_training
    limit = ("--work-dir", tmp_path / "work", *THREADS, "--max-hours", "0.0001")
    run = run_command(
        *("mmdet-flow model train", config, *limit, "--load-from", trained.checkpoint)
    )
    assert run.returncode == 75
    assert re.search(r"checkpoint.pth: (\d+) of \1 weights fit", run.stderr)
    other = tmp_path / "other.pth"
    torch.save({"state_dict": {"backbone.unknown": torch.zeros(1)}}, other)
    run = run_command("mmdet-flow model train", config, *limit, "--load-from", other)
    assert run.returncode == 4
    assert re.search(r"0 of the model's \d+ weights fit", the_error(run))
    code, error = refused(config, *limit, "--load-from", "absent.pth")
    assert code == 4 and "puts one there" in error


def test_a_checkpoint_that_carries_code_is_refused_and_runs_nothing(
    long_training, refused, tmp_path
):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    config, _ = long_training
    trap = tmp_path / "trap.pth"
    torch.save({"state_dict": {}, "trap": Trap()}, trap)
    arguments = (config, "--work-dir", tmp_path / "work", *THREADS)
    code, error = refused(*arguments, "--resume", trap)
    assert code == 4 and "trap.pth" in error
    run = run_command("mmdet-flow model train", *arguments, "--load-from", trap)
    assert run.returncode == 4, run.stderr[-2000:]
    assert "trap.pth" in the_error(run)
    assert not (tmp_path / "sprung").exists()


def test_the_config_of_a_state_is_not_executed(long_training, tmp_path):
    """mmengine executes the text that old states have."""
    config, _ = long_training
    whole = WorkDir(config.parent / "whole").states()[-2]
    content = torch.load(whole, weights_only=False)
    marker = tmp_path / "marker"
    content["meta"]["config"] = f"open({str(marker)!r}, 'w')"
    torch.save(content, tmp_path / "state.pth")
    run = run_command(
        *("mmdet-flow model train", config, "--work-dir", tmp_path / "work", *THREADS),
        *("--resume", tmp_path / "state.pth"),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert not marker.exists()


def test_a_model_that_the_cpu_cannot_train_is_refused_with_the_operator(
    dataset, tmp_path
):
    config = patched_config(
        dataset, tmp_path / "config.py", base="faster-rcnn_r50_fpn-carafe_1x_coco"
    )
    run = run_command(
        *("mmdet-flow model train", config, "--work-dir", tmp_path / "work", *THREADS),
        *("--cfg-options", "model.backbone.depth=18"),
        "model.neck.in_channels=[64,128,256,512]",
    )
    assert run.returncode == 4
    assert "needs the operator carafe of mmcv" in the_error(run)


def test_another_config_starts_anew_and_keeps_the_old_folder(trained, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "recipe.json").write_text('{"sha256": "another"}')
    (work / "iter_1.pth").write_bytes(b"old")
    run = run_command(
        *(
            "mmdet-flow model train",
            trained.config,
            "--work-dir",
            work,
            "--resume",
            *THREADS,
        ),
        *("--cfg-options", "train_cfg.max_epochs=1"),
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "training starts from the beginning" in run.stderr
    assert (tmp_path / "work.old-1" / "iter_1.pth").read_bytes() == b"old"
    assert (work / "best.pth").stat().st_size > 1000


def test_without_resume_a_used_folder_is_kept_aside(trained, tmp_path):
    """Or its states, of later iterations, would pass for those of this training."""
    work = tmp_path / "work"
    work.mkdir()
    for name in ("iter_900.pth", "best.pth"):
        (work / name).write_bytes(b"old")
    run = run_command(
        *("mmdet-flow model train", trained.config, "--work-dir", work, *THREADS),
        *("--max-hours", "0.0001"),
    )
    assert run.returncode == 75, run.stderr[-2000:]
    assert [path.name for path in work.glob("*.pth")] == ["iter_1.pth"]
    assert (tmp_path / "work.old-1" / "best.pth").read_bytes() == b"old"


def test_a_named_state_of_another_training_begins_a_folder_of_its_own(tmp_path, caplog):
    """Or later states and the best weights of the other would pass for its own.

    The schedule is that of the state, which a line says.
    """
    folder = WorkDir(tmp_path / "work")
    folder.begin({"sha256": "a"}, "config", None)
    for name in ("iter_40.pth", "iter_60.pth", "best.pth"):
        (folder.path / name).write_bytes(b"a")
    named = str(folder.state(40))
    assert folder.begin({"sha256": "a"}, "config", named) == folder.state(40)
    assert "schedule" not in caplog.text
    state = folder.begin({"sha256": "b"}, "config", named)
    assert "iter_40.pth: goes on by the schedule that it was begun with" in caplog.text
    assert state == tmp_path / "work.old-1" / "iter_40.pth" and state.is_file()
    assert folder.states() == [] and not folder.best.exists()
    assert folder.recipe() == {"sha256": "b"}


def test_a_config_that_was_fitted_to_no_data_is_refused(refused, tmp_path):
    code, error = refused(
        "rtmdet_tiny_8xb32-300e_coco", "--work-dir", tmp_path / "work"
    )
    assert code == 4
    assert "names no classes" in error and "mmdet-flow model patch" in error


def test_annotations_are_found_below_data_root(trained, dataset, tmp_path):
    folder, name = dataset.splits, "train.json"
    run = run_command(
        "mmdet-flow model train",
        *(trained.config, "--work-dir", tmp_path / "work", *THREADS),
        *("--max-hours", "0.0001", "--cfg-options"),
        *(f"train_dataloader.dataset.{key}" for key in (
            f"data_root={folder}", f"ann_file={name}"
        )),
    )  # fmt: skip
    assert run.returncode == 75, run.stderr[-2000:]


def test_a_checkpoint_that_is_not_there(trained, refused, tmp_path):
    code, error = refused(trained.config, "--work-dir", tmp_path, "--resume", "no.pth")
    assert code == 4 and "no.pth: there is no such checkpoint" in error


def test_data_with_other_classes_are_refused_with_both_lists(
    dataset, trained, refused, tmp_path
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
    code, error = refused(tmp_path / "config.py", "--work-dir", tmp_path)
    assert code == 3
    assert "shell, pebble, leaf" in error and "leaf, pebble, shell" in error


def test_other_pixels_are_another_training(trained, dataset, tmp_path):
    """Config and annotations are the same bytes; hashes of images tell them apart."""
    copied = tmp_path / "dataset"
    shutil.copytree(dataset.folder, copied)
    config = tmp_path / "config.py"
    text = trained.config.read_text()
    config.write_text(text.replace(str(dataset.folder), str(copied)))
    work = tmp_path / "work"
    run = [
        "mmdet-flow model train",
        config,
        "--work-dir",
        work,
        "--resume",
        "auto",
        *THREADS,
    ]
    stopped = run_command(*run, "--max-hours", "0.0001")
    assert stopped.returncode == 75, stopped.stderr[-2000:]
    hashes = copied / "images.csv"
    used = CocoFile.read(dataset.splits / "train.json").images[0]["file_name"]
    unused = CocoFile.read(dataset.splits / "test.json").images[0]["file_name"]
    before = hashes.read_text()
    for name, said in ((unused, "resuming from"), (used, "starts from the beginning")):
        hashes.write_text(re.sub(f"({name}),.*", r"\1,another", before))
        again = run_command(*run, "--max-hours", "0.0001")
        assert said in again.stderr, again.stderr[-2000:]
