"""All checks in their order, and what they say."""

import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmdet_flow import ROOT, cli
from mmdet_flow.columns import columns_of, folded
from mmdet_flow.errors import UsageError
from mmdet_flow.start.doctor import data, environment, machine, services, workflow
from mmdet_flow.start.doctor.check import ERROR, NOTE, OK, Check, Line, look
from mmdet_flow.start.doctor.config import read_config

COLOURS = {OK: 32, NOTE: 33, ERROR: 31}

INDENT = 20
"""Columns before what is said of a check."""

LEAST = 40
"""Columns that it has beside them, or it goes on where the terminal breaks it."""


def all_checks(root: Path, config_file: Path) -> list[Check]:
    """Return all checks, in the order in which things are to be fixed."""
    if not (root / "Snakefile").is_file():
        raise UsageError(f"{root}: is no checkout of mmdet-flow; run make setup in one")
    try:
        config = read_config(config_file)
    except UsageError:
        config = {}  # the check of the config says it
    return [
        *environment.checks(root),
        *workflow.checks(root, config_file, config),
        *data.checks(config),
        *services.checks(config),
        *machine.checks(root, Path("results"), lambda: data.needed_gb(config)),
    ]


def diagnose(checks: Sequence[Check], colours: bool, width: int | None = None) -> None:
    """Print a line for each check as it comes; raise what has to be fixed first.

    Of a terminal so many columns wide, what does not fit is below its beginning.
    """
    lines = []
    with ThreadPoolExecutor(cli.available_threads()) as pool:
        for line in pool.map(look, checks):
            print(as_text(line, colours, width), flush=True)
            lines.append(line)
    errors = [line.error for line in lines if line.error]
    if errors:
        count = "one thing has" if len(errors) == 1 else f"{len(errors)} things have"
        raise type(errors[0])(f"{count} to be fixed, listed above")


def as_text(line: Line, colours: bool, width: int | None = None) -> str:
    """Return a line for the screen, its first word coloured or not.

    ``width`` is that of the terminal; without one, it is a single line.
    """
    state = f"{line.state:<5}"
    if colours:
        state = f"\033[{COLOURS[line.state]}m{state}\033[0m"
    text = " ".join(line.text.split())
    if width is not None and width >= INDENT + LEAST:
        text = f"\n{INDENT * ' '}".join(folded(text, width - INDENT))
    return f"{state}  {line.subject:<11}  {text}"


def wants_colours(stream, variables: os._Environ) -> bool:
    """Whether to colour what goes to a stream: a terminal, and no NO_COLOR."""
    return stream.isatty() and not variables.get("NO_COLOR")


def run_doctor(config_file: Path, quick: bool) -> None:
    """Run the checks, without those that take seconds if it is to be quick."""
    checks = all_checks(ROOT, config_file)
    chosen: Iterable[Check] = (one for one in checks if not (quick and one.slow))
    width = columns_of(sys.stdout)
    diagnose(list(chosen), wants_colours(sys.stdout, os.environ), width)
