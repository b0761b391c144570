"""``mmdet-flow run`` on terminals, in pipes, and with a run that ends in any way."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from mmdet_flow.commands.run import words_for_snakemake
from mmdet_flow.progress.stages import STAGES, STEPS, TARGET
from tests.conftest import BIN
from tests.progress.recorded import environment, prepare, wait_for, words
from tests.workflow.test_workflow import SMALL, snakemake, write_config

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run(folder, *arguments, program=("mmdet-flow", "run"), **variables):
    """Run in a pipe, as in a log."""
    return subprocess.run(
        [BIN / program[0], *program[1:], *arguments],
        cwd=folder,
        env=environment(folder) | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


class Terminal:
    """A pseudo terminal with a run in it; ``text`` is all that it was sent."""

    def __init__(self, folder, arguments, columns=80, **variables) -> None:
        self.text = ""
        self._master, slave = pty.openpty()
        self.resize(columns)
        self._process = subprocess.Popen(
            [BIN / "mmdet-flow", "run", *arguments],
            cwd=folder,
            env=environment(folder) | {"TERM": "xterm-256color"} | variables,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def resize(self, columns: int, lines: int = 24) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def read(self) -> str:
        while select.select([self._master], [], [], 0.05)[0]:
            try:
                self.text += os.read(self._master, 1 << 16).decode()
            except OSError:  # the other end is closed
                break
        return self.text

    def until(self, text: str) -> None:
        wait_for(lambda: text in CONTROL.sub("", self.read()))

    def interrupt(self) -> None:
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Return the exit code, and what is on the screen without what steers it."""
        wait_for(lambda: self.read() and self._process.poll() is not None)
        self.read()
        os.close(self._master)
        return self._process.returncode, CONTROL.sub("", self.text)


@pytest.fixture
def folder(tmp_path):
    prepare(tmp_path)
    return tmp_path


def test_in_a_log_there_is_a_line_for_each_job_and_figures_at_the_end(folder):
    done = run(folder, *words(names="cells,worms"), FORCE_COLOR="1")
    assert done.returncode == 0, done.stderr
    assert "\x1b[1A" not in done.stderr  # no picture is drawn
    lines = CONTROL.sub("", done.stderr).splitlines()
    starts = [line for line in lines if line.endswith(" starts")]
    assert len(starts) == 12 and len(set(starts)) == 12
    ends = [line for line in lines if re.search(r" is done in \d+:\d\d$", line)]
    assert len(ends) == 12
    assert all(re.match(r"\d\d:\d\d:\d\d  (cells|worms): ", line) for line in starts)
    assert "  boxes        mAP 0.412, at IoU 0.5 0.734, on 3 test images" in lines
    assert lines[-1].startswith("Done: 13 of 13 jobs in ")
    again = run(folder, *words(names="cells,worms"))
    assert again.returncode == 0 and "Nothing to be done" in again.stderr


def test_a_failed_job_has_its_reason_its_log_and_what_to_do(folder):
    train = "echo error: x.xml: has no box, draw one >&2; exit 3"
    done = run(folder, *words(train=train))
    assert done.returncode == 1
    told = done.stderr[done.stderr.index("cells: train the model failed\n") :]
    lines = told.splitlines()
    assert lines[1] == "  x.xml: has no box, draw one"
    assert lines[2] == "  log: results/cells/logs/train_model.log"
    assert lines[-2].startswith("Mend what is said above, then go on: mmdet-flow run ")
    assert "exit 3;" not in done.stderr and "CalledProcessError" not in done.stderr
    assert "--cores=2" in lines[-2]
    assert len(done.stderr.splitlines()) < 20
    mended = run(folder, *words())
    assert mended.returncode == 0 and "check and convert" not in mended.stderr


def test_plain_snakemake_shows_the_same(folder):
    own = run(folder, "-n", *words())
    plain = run(folder, "-n", "--logger", "mmdet-flow", *words(), program=["snakemake"])
    assert own.returncode == plain.returncode == 0
    assert own.stdout == plain.stdout
    assert "check and convert the annotations  not made yet" in own.stdout
    assert own.stdout.splitlines()[-1] == "4 jobs would run."
    assert "checkpoint jobs" not in own.stdout + own.stderr
    assert not (folder / "results").exists()


def test_on_a_terminal_a_picture_is_drawn_and_what_jobs_say_is_above(folder):
    train = "echo seen >&3; sleep 2"
    options = words(train=f"exec 3>&1; {train}".replace("3>&1; ", "3> /dev/stderr; "))
    terminal = Terminal(folder, options)
    terminal.until("train ▸")
    terminal.resize(40)
    code, text = terminal.end()
    assert code == 0, text
    assert "Done: " in text and "mAP 0.412" in text
    assert text.index("planning the jobs") < text.index("▸")
    assert terminal.text.count("\x1b[?25l") >= 1  # the cursor is hidden,
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")
    assert "\x1b[2J" in terminal.text  # drawn anew, as wide as it was then


def test_on_a_terminal_ctrl_c_stops_and_says_how_to_go_on(folder):
    options = words(train="sleep 60")
    terminal = Terminal(folder, options, columns=160)
    terminal.until("train ▸")
    began = time.monotonic()
    terminal.interrupt()
    code, text = terminal.end()
    assert code == 130, text
    assert time.monotonic() - began < 20
    end = text[text.rindex("Stopped: ") :]
    assert re.match(r"Stopped: 1 of 5 jobs in \d:\d\d; what they made", end)
    assert "To go on: mmdet-flow run --cores=2 --config names=cells" in end
    assert "Traceback" not in text and "failed" not in text
    on = run(folder, *words())
    assert on.returncode == 0, on.stderr


@pytest.mark.parametrize(
    "variables",
    [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}],
)
def test_terminals_that_lack_something(folder, variables):
    if "LC_ALL" in variables:
        variables |= {"PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    terminal = Terminal(folder, words(), columns=40, **variables)
    code, text = terminal.end()
    assert code == 0, text
    assert "Done: " in text
    if "NO_COLOR" in variables:
        assert not re.search(r"\x1b\[(?:[0-9;]*;)?3[0-7]m", terminal.text)
    elif "TERM" in variables:
        assert "\x1b[1A" not in terminal.text and "is done in" in text
    else:
        assert terminal.text.isascii() and "+ cells  done" in text


def test_quiet_says_no_more_than_errors(folder):
    assert run(folder, "--quiet=all", *words()).stderr.splitlines()[1:] == []


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], ["--logger=mmdet-flow", "--cores=all"]),
        (["-n", "results/a/summary.txt"], ["--logger=mmdet-flow", "--cores=all"]),
        (["--cores", "4"], ["--logger=mmdet-flow"]),
        (["--cores=4", "x"], ["--logger=mmdet-flow"]),
        (["-c4"], ["--logger=mmdet-flow"]),
        (["-j", "9"], ["--logger=mmdet-flow"]),
        (["--workflow-profile", "profiles/slurm"], ["--logger=mmdet-flow"]),
        (["--executor=slurm"], ["--logger=mmdet-flow"]),
        (["--logger", "other"], ["--cores=all"]),
        (["--config", "a=-c"], ["--logger=mmdet-flow", "--cores=all"]),
    ],
)
def test_words_go_on_to_snakemake_and_what_lacks_is_added(given, added, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    assert words_for_snakemake(given) == [*added, *given]


def test_each_rule_has_its_stage_and_words(tmp_path):
    write_config(tmp_path, SMALL)
    listed = snakemake(tmp_path, "--list-rules").stdout
    rules = set(re.findall(r"^(\w+) \(", listed, re.M)) - {TARGET}
    assert rules == STEPS.keys()
    assert {step.stage for step in STEPS.values()} == {*STAGES}
    words = [step.what for step in STEPS.values()]
    assert len(set(words)) == len(words)
