"""Trainings on one machine that are told of each other."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from mmdet_flow import cli
from mmdet_flow.model.neighbours import Training, announced
from tests.conftest import command_of

HOLD = """
import os, sys, time
from pathlib import Path
from mmdet_flow.model.neighbours import announced
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))
with announced(Path(sys.argv[1]), int(sys.argv[3])):
    if os.fork() == 0:  # as a loader's worker, which outlives a killed training
        print("held", flush=True)  # by now it has left the lock to the training
    time.sleep(60)
"""
CPUS = sorted(os.sched_getaffinity(0))
COUNT = len(CPUS)
ALL = ",".join(map(str, CPUS))


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a process that trains in a folder, with CPUs and threads; all end."""
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path / "cache"))
    started = []

    def run(name, cpus=ALL, threads=COUNT):
        command = [sys.executable, "-c", HOLD, tmp_path / name, cpus, str(threads)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield run
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def told(folder, caplog, threads=COUNT) -> str:
    caplog.clear()
    cli.log.propagate = True
    with announced(folder, threads):
        pass
    return caplog.text


def notes(tmp_path) -> list:
    return [*(tmp_path / "cache" / "trainings").iterdir()]


def test_a_training_names_the_one_that_runs_until_that_is_killed(
    start, tmp_path, caplog
):
    assert told(tmp_path / "b", caplog) == "" and notes(tmp_path) == []
    first = start("a")
    said = told(tmp_path / "b", caplog)
    assert f"(process {first.pid}, in {tmp_path / 'a'})" in said
    assert "twice as long" in said
    first.kill()
    first.wait()
    assert len(notes(tmp_path)) == 1
    assert told(tmp_path / "b", caplog) == "" and notes(tmp_path) == []


@pytest.mark.skipif(len(CPUS) < 2, reason="takes two CPUs")
def test_trainings_that_leave_each_other_their_cpus_say_nothing(
    start, tmp_path, caplog
):
    start("few", threads=1)
    assert told(tmp_path / "b", caplog, threads=1) == ""
    assert "few" in told(tmp_path / "b", caplog, threads=COUNT)
    start("apart", cpus=str(CPUS[0]))
    os.sched_setaffinity(0, {CPUS[1]})
    try:
        said = told(tmp_path / "b", caplog)
    finally:
        os.sched_setaffinity(0, CPUS)
    assert "few" in said and "apart" not in said


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: folder.write_text("no folder"),
        lambda folder: (folder.mkdir(), (folder / "note").write_text("{")),
        lambda folder: (folder.mkdir(), (folder / "note").mkdir()),
    ],
)
def test_what_cannot_be_known_is_not_said_and_in_no_way(
    harm, tmp_path, caplog, monkeypatch
):
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    harm(tmp_path / "cache" / "trainings")
    assert told(tmp_path / "b", caplog) == ""


def test_a_training_on_another_machine_or_of_an_unknown_process_is_no_neighbour():
    one = Training("boot", os.getpid(), "folder", 1)
    assert one.cpus == set(CPUS)
    assert replace(one, process=2**22 + 1).cpus == set()


def test_the_command_says_so_and_which_threads_it_takes(
    start, trained, tmp_path, capsys, monkeypatch
):
    """The model is one that cannot be built, which is found out later."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # to have it back after the command
    first = start("first")
    arguments = [trained.config, "--work-dir", tmp_path / "work", "--cfg-options"]
    assert command_of("model train")([*arguments, "model.bbox_head.num_classes=x"])
    said = capsys.readouterr().err
    assert f"threads: {COUNT}, all CPUs that this process may use" in said
    assert f"another training runs on the same CPUs (process {first.pid}, in" in said
