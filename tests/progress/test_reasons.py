"""The line of a log that says why a job failed."""

import pytest

from mmdet_flow.errors import FIRST_OF
from mmdet_flow.progress import reasons
from mmdet_flow.progress.reasons import TAIL, error_in, others_in, reason_in


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (b"INFO a\nerror: x.xml: no box; fix it\n", "x.xml: no box; fix it"),
        (b"error: first\nerror: last\nWARNING later\n", "last"),
        (b"bash: line 1: nonsense: command not found\n\n", "bash: line 1: nonsense"),
        (b"", ""),
        (b"\n\n", ""),
        (b"error: caf\xe9 \x1b[2J\n", "caf\ufffd \\x1b[2J"),
        (b"error: early\n" + b"x\n" * TAIL + b"error: late\n", "late"),
        (b"a \r 10%\r 20%\rerror: after a bar\n", "after a bar"),
    ],
)
def test_the_last_error_line(tmp_path, log, reason):
    path = tmp_path / "log"
    path.write_bytes(log)
    assert reason_in([path]).startswith(reason)
    assert "\x1b" not in reason_in([path])
    if not reason:
        assert reason_in([path]) == ""


def test_only_what_a_command_says_of_itself_is_an_error(tmp_path):
    path = tmp_path / "log"
    path.write_text("error: interrupted\nKeyboardInterrupt\n")
    assert error_in([path]) == "interrupted"
    path.write_text("INFO iteration 7 of 20\nKeyboardInterrupt\n")
    assert error_in([path]) == "" and reason_in([path]) == "KeyboardInterrupt"


@pytest.mark.parametrize("text", ["error: no box\n", "Killed\n", ""])
def test_each_log_is_read_once(tmp_path, monkeypatch, text):
    logs = [tmp_path / "a", tmp_path / "b"]
    for log in logs:
        log.write_text(text)
    opened = []

    def counting(path, *options):
        opened.append(path)
        return open(path, *options)

    monkeypatch.setattr(reasons, "open", counting, raising=False)
    assert reason_in(logs) == text.removeprefix("error: ").strip()
    assert opened == logs


def test_errors_beside_the_one_that_a_job_ended_with(tmp_path):
    log = tmp_path / "log"
    first = "a.xml: no box; draw one [x: error]"
    found = f"ERROR {first}\nERROR 2 findings: fix them\nERROR   b.xml: \x1b[2J\n"
    found += "WARNING c.xml: odd\n"
    log.write_text(f"{found}error: {first}\n")
    assert others_in([log], reason_in([log])) == []  # one before, perhaps
    log.write_text(f"{found}error: {first}{FIRST_OF.format(3)}\n")
    told = ["2 findings: fix them", "  b.xml: \\x1b[2J"]
    assert others_in([log, tmp_path / "none"], reason_in([log])) == told


def test_a_log_that_is_not_there_gives_none(tmp_path):
    assert reason_in([]) == reason_in([tmp_path / "none", tmp_path]) == ""


def test_a_secret_is_not_shown(tmp_path):
    (tmp_path / "log").write_text("error: redis://me:hidden1@host/0: refused\n")
    assert "hidden1" not in reason_in([tmp_path / "log"])
