"""The doctor as a user runs it: a line for each check, and an exit code."""

import io
from subprocess import TimeoutExpired

import pytest
import yaml

from mmdet_flow.errors import DataError, FlowError, UsageError
from mmdet_flow.start.doctor import diagnosis
from mmdet_flow.start.doctor.check import Check, Note, look
from tests.conftest import ROOT, run_command, the_error
from tests.dataset.voc_data import make_voc
from tests.wide_names import NAMES, columns_of


def states(run) -> dict[str, str]:
    """Return what was said of each subject."""
    lines = [line.split(maxsplit=2) for line in run.stdout.splitlines()]
    return {subject: state for state, subject, _ in lines}


def write_config(folder, **data) -> None:
    section = {"format": "voc", "annotations": "xml", "images": "images"} | data
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"experiments": {"cells": {"data": section}}})
    )


def test_a_machine_that_is_ready(tmp_path):
    make_voc(tmp_path)
    write_config(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    run = run_command("mmdet-flow start doctor", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "error" not in states(run).values()
    assert {"mmcv", "readers", "plan", "annotations"} <= states(run).keys()
    assert "3 images, 3 annotated with 3 objects of 2 classes" in run.stdout
    assert "1 to run, of cells" in run.stdout
    assert "snakemake -n plans" in run.stdout
    assert "\033" not in run.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_quick_leaves_out_what_takes_seconds(tmp_path):
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    run = run_command("mmdet-flow start doctor", "--quick", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not {"mmcv", "readers", "plan", "annotations"} & states(run).keys()


def test_the_first_error_decides_the_exit_code(tmp_path):
    make_voc(tmp_path)
    write_config(tmp_path, images="nowhere", format="vco")
    (tmp_path / "default").mkdir()
    run = run_command(
        *("mmdet-flow start doctor", "--quick"),
        cwd=tmp_path,
        SOURCE_DATE_EPOCH="yesterday",
    )
    assert run.returncode == 2
    assert "3 things have to be fixed" in the_error(run)
    found = states(run)
    assert {found[name] for name in ("profile", "folders", "times")} == {"error"}
    assert "experiments.cells.data.images: there is no nowhere" in run.stdout
    (tmp_path / "default").rmdir()
    assert (
        run_command("mmdet-flow start doctor", "--quick", cwd=tmp_path).returncode == 3
    )


def test_a_missing_config_says_what_makes_one(tmp_path):
    run = run_command("mmdet-flow start doctor", "--quick", cwd=tmp_path)
    assert run.returncode == 2
    assert "config.yaml: is not there; mmdet-flow start init FOLDER" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_works_where_torch_does_not(tmp_path):
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    torch = tmp_path / "elsewhere/torch/__init__.py"
    torch.parent.mkdir(parents=True)
    torch.write_text("raise ImportError('undefined symbol')")
    elsewhere = str(tmp_path / "elsewhere")
    run = run_command(
        "mmdet-flow start doctor", "--quick", cwd=tmp_path, PYTHONPATH=elsewhere
    )
    assert run.returncode == 1
    assert f"torch comes from {torch}" in run.stdout
    assert states(run)["locale"] == "ok"


def raising(error):
    def answer():
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "state", "text"),
    [
        (lambda: "fine", "ok", "fine"),
        (lambda: Note("odd"), "note", "odd"),
        (raising(DataError("broken; fix it")), "error", "broken; fix it"),
        # What is not installed, or may not be read, is no bug of ours.
        (raising(ImportError("no", name="redis")), "error", "redis cannot be imported"),
        (raising(PermissionError(13, "denied", "a")), "error", "denied: 'a'; fix it"),
        (raising(TimeoutExpired("sinfo", 20)), "error", "no answer in 20 s"),
    ],
)
def test_what_a_check_says_becomes_a_line(answer, state, text):
    line = look(Check("this", answer))
    assert line.state == state and text in line.text
    assert (line.error is not None) == (state == "error")


def test_errors_keep_their_type(capsys):
    checks = [
        Check("a", lambda: "fine"),
        Check("b", raising(DataError("no\n  data"))),
        Check("c", raising(UsageError("no config"))),
    ]
    with pytest.raises(DataError, match="2 things have to be fixed"):
        diagnosis.diagnose(checks, colours=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["error", "b", "no", "data"]
    with pytest.raises(FlowError, match="one thing has"):
        diagnosis.diagnose(checks[:2], colours=True)
    assert "\033[31merror\033[0m" in capsys.readouterr().out


def told(text: str, width: int | None) -> list[str]:
    line = look(Check("Slurm", lambda: Note(text)))
    return diagnosis.as_text(line, False, width).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("word", ["accounting", *NAMES])
def test_what_does_not_fit_a_terminal_goes_on_below_its_beginning(word, width):
    text = f"sacct fails: {' '.join(12 * [word])}; put squeue into your profile"
    first, *rest = told(text, width)
    assert max(map(columns_of, (first, *rest))) <= width
    assert first.index("sacct") == 20
    assert all(line[:20].isspace() and line[20] != " " for line in rest)
    assert " ".join([first[20:], *map(str.strip, rest)]) == text


def test_a_path_is_not_broken_and_a_pipe_has_a_line_for_each_check():
    text = f"folders: there is no {'/deep' * 20}; correct the path"
    assert any("/deep" * 20 in line for line in told(text, 80))
    assert len(told(text, None)) == len(told(text, 40)) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_are_for_terminals_that_want_them():
    assert diagnosis.wants_colours(Terminal(), {})
    assert not diagnosis.wants_colours(Terminal(), {"NO_COLOR": "1"})
    assert not diagnosis.wants_colours(io.StringIO(), {})
