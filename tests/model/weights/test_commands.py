"""The commands, as a user and a workflow call them."""

import hashlib
import os
import pty
import shutil
import signal
import subprocess
import termios
from pathlib import Path

import pytest
import torch

from mmdet_flow.files import sha256_of
from tests.cluster.slurm import wait_until
from tests.conftest import BIN, run_command, the_error
from tests.model.weights.server import Behaviour, serving

PUBLISHED = "rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth"


@pytest.fixture
def variables(tmp_path) -> dict[str, str]:
    """A store of its own."""
    return {"MMDET_FLOW_CACHE": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"}


@pytest.fixture
def files():
    with serving() as running:
        yield running


@pytest.fixture
def named(trained, tmp_path) -> Path:
    """A real checkpoint whose name ends in its hash."""
    path = tmp_path / f"shore-{sha256_of(trained.checkpoint)[:8]}.pth"
    shutil.copy(trained.checkpoint, path)
    return path


def begun(variables, *arguments, **options) -> subprocess.Popen:
    """Begin to fetch in a process of its own."""
    return subprocess.Popen(
        [BIN / "mmdet-flow", "weights", "get", *map(str, arguments)],
        env=os.environ | variables,
        **options,
    )


def test_add_list_and_use(named, tmp_path, variables):
    added = run_command("mmdet-flow weights add", named, **variables)
    assert added.returncode == 0, added.stderr
    path = tmp_path / "cache/weights" / named.name
    assert added.stdout == f"{path}\n" and path.read_bytes() == named.read_bytes()
    checked = subprocess.run(
        ["sha256sum", "--check", f"{named.name}.sha256"], cwd=path.parent
    )
    assert checked.returncode == 0
    (line,) = run_command("mmdet-flow weights list", **variables).stdout.splitlines()
    assert line.split() == [
        *(sha256_of(named), f"{named.stat().st_size / 1e6:.1f}", "MB", named.name)
    ]
    got = run_command("mmdet-flow weights get", named.name, **variables)
    assert got.returncode == 0 and got.stdout == f"{path}\n"
    path.write_bytes(b"PK\3\4?")
    listed = run_command("mmdet-flow weights list", **variables).stdout
    assert "damaged: its SHA-256 begins with" in listed


def test_add_refuses_what_is_no_sound_checkpoint(named, tmp_path, variables):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(named.read_bytes()[:-100])
    other = named.with_name("other-00000000.pth")
    shutil.copy(named, other)
    code = tmp_path / "code.pth"
    torch.save({"state_dict": {}, "code": print}, code)
    for path, reason in (
        (cut, "cannot be read as a checkpoint"),
        (other, "its SHA-256 begins with"),
        (code, "could run code"),
        (tmp_path / "none.pth", "there is no such checkpoint"),
    ):
        run = run_command("mmdet-flow weights add", path, **variables)
        assert run.returncode == 4 and reason in the_error(run)
    renamed = run_command(
        "mmdet-flow weights add", named, "--name=../x.pth", **variables
    )
    assert renamed.returncode == 2
    assert not list((tmp_path / "cache").rglob("*.pth"))


def test_published_weights_are_listed_by_config(variables):
    run = run_command("mmdet-flow weights list", "rtmdet*", **variables)
    rows = [line.split() for line in run.stdout.splitlines()]
    assert ["rtmdet_tiny_8xb32-300e_coco", "box", "AP", "40.9", PUBLISHED] in rows
    segmenters = [row for row in rows if row[0].startswith("rtmdet-ins")]
    assert all(row[4:6] == ["mask", "AP"] for row in segmenters) and segmenters
    run = run_command("mmdet-flow weights list", "rtmdt*", **variables)
    assert run.returncode == 4 and "did you mean rtmdet" in the_error(run)


def test_missing_weights_are_told_with_how_to_get_them(variables, named):
    """By the name of a config; from no place that there is."""
    proxy = {"https_proxy": "http://127.0.0.1:9"}
    run = run_command(
        *("mmdet-flow weights get", "rtmdet_tiny_8xb32-300e_coco"),
        **(variables | proxy),
    )
    assert run.returncode == 4
    line = the_error(run)
    assert f"{PUBLISHED}: https://" in line and "its proxy cannot be reached" in line
    assert "weights.mirrors" in line and "mmdet-flow weights add" in line
    run = run_command("mmdet-flow weights get", named.name, **variables)
    assert run.returncode == 4
    assert "no weights of that name" in the_error(run) and "--mirrors" in the_error(run)
    run = run_command("mmdet-flow weights get", "rtmdet_tinny", **variables)
    assert run.returncode == 4 and "did you mean rtmdet_tiny" in the_error(run)


def test_two_processes_that_fetch_one_file_fetch_it_once(
    named, files, tmp_path, variables
):
    files.answers[f"/{named.name}"] = Behaviour(named.read_bytes(), pause=0.01)
    outputs = [tmp_path / f"results {number}" / named.name for number in (1, 2)]
    processes = [
        begun(variables, f"{files.url}/{named.name}", "--output", output)
        for output in outputs
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert files.asked == [(f"/{named.name}", 0)]
    assert {sha256_of(output) for output in outputs} == {sha256_of(named)}
    kept = tmp_path / "cache/weights"
    assert {one.name for one in kept.iterdir()} == {
        *(named.name, f"{named.name}.sha256")
    }


def test_a_killed_fetch_goes_on(named, files, tmp_path, variables):
    answer = Behaviour(named.read_bytes(), pause=0.05)
    files.answers[f"/{named.name}"] = answer
    part = tmp_path / "cache/weights" / f".{named.name}.part"
    process = begun(variables, f"{files.url}/{named.name}")
    wait_until(lambda: part.exists() and part.stat().st_size > 30_000, 60, "a part")
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    left = part.stat().st_size
    answer.pause = 0.0
    run = run_command(
        "mmdet-flow weights get", f"{files.url}/{named.name}", **variables
    )
    assert run.returncode == 0, run.stderr
    assert files.asked[1] == (f"/{named.name}", left)
    assert sha256_of(Path(run.stdout.strip())) == sha256_of(named)


def test_a_terminal_shows_a_bar(named, files, variables):
    files.answers[f"/{named.name}"] = Behaviour(named.read_bytes(), pause=0.01)
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    process = begun(
        variables, f"{files.url}/{named.name}", stderr=terminal, stdout=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(screen, 4096):
            shown += block
    except OSError:  # how a terminal ends
        pass
    assert process.wait(60) == 0
    assert named.name.encode() in shown and b"%|" in shown and b"B/s" in shown


def test_a_full_disk_is_told_and_what_came_is_kept(named, files, tmp_path, variables):
    """The limit of a file's size is what stands for a disk that is full."""
    files.answers[f"/{named.name}"] = Behaviour(named.read_bytes())
    script = f"ulimit -f 50; exec {BIN}/mmdet-flow weights get {files.url}/{named.name}"
    run = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | variables | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 3, run.stderr
    assert "File too large; what was done before is kept" in the_error(run)
    again = run_command(
        "mmdet-flow weights get", f"{files.url}/{named.name}", **variables
    )
    assert again.returncode == 0
    assert files.asked[1][1] > 0
    content = Path(again.stdout.strip()).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256_of(named)
