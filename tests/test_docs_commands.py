"""The commands that the pages show: all are right, and most of them are run."""

import re
import shlex
import shutil
import textwrap

import pytest

from mmdet_flow.main import PATHS, PROG, REFERENCE, resolve
from tests.conftest import ROOT, parser_of, run_command
from tests.dataset.test_difference import OBJECTS, write_annotations
from tests.dataset.test_label_studio import annotation, region, task, write

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = [page for page in PAGES if not re.match("commands|config", page.name)]
COMMAND = re.compile(r"(?:^|[\s;/])(mmdet-flow|mmdet_\w+) (.+)")


def blocks(text: str) -> list[str]:
    """Return the code blocks of a page, with folded lines joined."""
    found = re.findall(r"(?:^ {4,}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
    found += re.findall(r"^```(?:sh|text)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\\\n\s*", "", textwrap.dedent(block)) for block in found]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of ours on a page, each with its arguments."""
    lines = [line for block in blocks(text) for line in block.splitlines()]
    # The image has the name of the command.
    lines = [re.sub(r"podman .*? mmdet-flow", "podman", line) for line in lines]
    matches = filter(None, map(COMMAND.search, lines))
    split = [(one[1], shlex.split(one[2], comments=True)) for one in matches]
    return [_divided(*one) for one in split if one[0] in (PROG, *REFERENCE)]


def _divided(program: str, words: list[str]) -> tuple[str, list[str]]:
    """Return the words of a command, as run_command takes them, and its arguments."""
    path = resolve(words) if program == PROG else ()
    return " ".join((program, *path)), words[len(path) :]


def is_right(command: str, arguments: list[str]) -> bool:
    """Whether there is such a command, and it takes these arguments."""
    path = REFERENCE.get(command) or tuple(command.split()[1:])
    if path not in PATHS:
        return set(arguments) <= {"--help", "--version"}
    parser = parser_of(" ".join(path))
    if "..." in arguments:  # a part of a command; what it names must be there
        known = {option for one in parser._actions for option in one.option_strings}
        return {one for one in arguments if one[:2] == "--"} <= known
    try:
        parser.parse_args(arguments)
    except SystemExit:
        return False
    return True


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "architecture.md"],  # there in a drawing
    ids=lambda page: page.name,
)
def test_the_commands_on_a_page_are_right(page):
    found = commands(page.read_text())
    assert [one for one in found if not is_right(*one)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_targets_on_a_page_are_in_the_makefile(page):
    makefile = (ROOT / "Makefile").read_text()
    named = set(
        re.findall(r"(?:^    |`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    )
    assert {one for one in named if f"\n{one}:" not in makefile} == set()


def test_wrong_commands_are_found():
    page = (
        "text\n\n    $ bin/mmdet-flow step shard photos --sise 3 \\\n      --output x\n"
    )
    assert commands(page) == [
        ("mmdet-flow step shard", ["photos", "--sise", "3", "--output", "x"])
    ]
    assert not is_right(*commands(page)[0])
    assert not is_right("mmdet-flow step shard", ["photos", "...", "--sise"])
    assert is_right("mmdet-flow step shard", ["photos", "..."])


@pytest.fixture
def desk(trained, dataset, finished, tmp_path):
    """A folder with what the pages speak of, under the names that they give it."""
    for name in ("model.pth", "epoch_12.pth"):
        shutil.copy(trained.checkpoint, tmp_path / name)
    shutil.copy(trained.config, tmp_path / "config.py")
    for name in ("train", "val", "test"):
        shutil.copy(dataset.splits / f"{name}.json", tmp_path)
    for name in ("images", "new"):
        shutil.copytree(dataset.images, tmp_path / name)
    cells = shutil.copytree(finished, tmp_path / "results" / "cells")
    shutil.copytree(dataset.images, cells / "dataset" / "images")
    shutil.copy(cells / "evaluation" / "thresholds.json", tmp_path)
    for name in ("anna", "ben"):
        write_annotations("labelme", tmp_path / name, OBJECTS)
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "anna").glob("*.jpg"):
        path.rename(tmp_path / "photos" / path.name)
    box = region() | {"original_width": 64, "original_height": 48}
    twice = task("a.jpg", *(annotation(box, completed_by=who) for who in (1, 2)))
    write(tmp_path, twice, name="export.json")
    return tmp_path


@pytest.mark.parametrize(
    "name", ["evaluation", "handover", "migration", "predicting", "tracking"]
)
def test_the_commands_on_a_page_do_what_it_says(name, desk):
    """In their order, but for services and what is shown in part."""
    page = (ROOT / f"docs/{name}.md").read_text()
    for command, arguments in commands(page):
        words = {command, *arguments}
        services = {"mmdet-flow serve", "mmdet_predict_redis"}
        if words & {"...", *services, "--uri", "results/cells-*"} or words == {command}:
            continue
        if not any((desk / "new").iterdir()):
            shutil.copytree(desk / "images", desk / "new", dirs_exist_ok=True)
        run = run_command(command, *arguments, cwd=desk)
        assert run.returncode == 0, (command, arguments, run.stderr)
        if (
            "cells.zip" in " ".join(arguments)
            or command == "mmdet-flow handover package"
        ):
            shutil.copy(desk / "results/cells/model/cells.zip", desk)
