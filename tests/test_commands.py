"""What every command owes its user: help, examples, completion."""

import argparse
import importlib
import os
import re
import shlex
import signal
import subprocess
import tomllib

import pytest

from tests.conftest import BIN, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def parser_of(command: str) -> argparse.ArgumentParser:
    module = PROJECT["scripts"][command].split(":")[0]
    return importlib.import_module(module).build_parser()


@pytest.mark.parametrize("command", PROJECT["scripts"])
def test_each_option_is_described_and_each_example_is_right(command, capsys):
    parser = parser_of(command)
    assert [one.dest for one in parser._actions if not one.help] == []

    text = parser.format_help().split("examples:\n")[1].replace("\\\n", "")
    for line in text.strip().splitlines():
        name, *arguments = shlex.split(line)
        assert name == command
        parser.parse_args(arguments)  # would exit, and say why


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("mmdet_split", "--seed"),
        ("mmdet_example", "--seed"),
        ("mmdet_evaluate", "--bootstrap"),
    ],
)
def test_a_count_below_0_is_refused(command, option, capsys):
    with pytest.raises(SystemExit) as ended:
        parser_of(command).parse_args([option, "-1"])
    assert ended.value.code == 2 and "-1 is below 0" in capsys.readouterr().err


def completions(line: str) -> set[str]:
    """Return what a shell is offered after ``line``; argcomplete has the protocol."""
    protocol = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line}
    done = subprocess.run(
        ["bash", "-c", f"{BIN / line.split()[0]} 8>&1 9>/dev/null"],
        env=os.environ | protocol | {"COMP_POINT": str(len(line))},
        capture_output=True,
        text=True,
        check=True,
    )
    return {re.sub(r"\W+$", "", one) for one in done.stdout.split("\n")} - {""}


def test_a_shell_completes_options_choices_and_files(tmp_path, monkeypatch):
    (tmp_path / "cells.pth").touch()
    monkeypatch.chdir(tmp_path)
    assert completions("mmdet_predict --prediction_f") == {"--prediction_format"}
    assert completions("mmdet_predict --prediction_format ") == {"opex", "rois", "both"}
    assert completions("mmdet_predict --checkpoint ce") == {"cells.pth"}


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in ``mmdet_config --list | head -1``."""
    process = subprocess.Popen(
        [BIN / "mmdet_config", "--list", "yolo*"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.wait(timeout=300) == 128 + signal.SIGPIPE
    assert process.stderr.read() == b""
    process.stderr.close()
