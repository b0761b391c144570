"""The names of the results' files: in layout.py, once, and the same in the rules."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_flow import layout
from tests.conftest import ROOT

PACKAGE = ROOT / "scripts" / "mmdet_flow"
MADE = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.io import strip_wildcard_constraints
from snakemake.settings.types import OutputSettings, ResourceSettings

with SnakemakeApi(OutputSettings()) as api:
    api = api.workflow(ResourceSettings(cores=1), snakefile=Path(sys.argv[1]))
    rules = list(api._workflow.rules)
files = [str(file) for rule in rules for file in (*rule.output, rule.benchmark)]
print(json.dumps(list(map(strip_wildcard_constraints, files))))
"""
"""Prints what the rules of a Snakefile make, with wildcards in braces."""

FOREIGN = {
    "dataset/wai.py": "what wai.annotations makes, in a folder of its own",
    "dataset/readers": "files of users",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> set[str]:
    """The files that the rules make below the folder of an experiment."""
    folder = tmp_path_factory.mktemp("rules")
    shutil.copy(ROOT / "config.yaml", folder)
    said = subprocess.run(
        [sys.executable, "-c", MADE, str(ROOT / "Snakefile")],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    ).stdout
    below = "results/{experiment}/"
    files = json.loads(said.splitlines()[-1])
    return {file.removeprefix(below) for file in files if file.startswith(below)}


def stands_for(place: layout.Place, file: str) -> bool:
    """Whether a file, which may have wildcards too, is one of a place."""
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(str(place)))
    return re.fullmatch(pattern, file) is not None


def test_the_layout_knows_all_that_the_rules_make(made):
    assert len(made) > 50
    unknown = [
        file
        for file in made
        if not any(stands_for(place, file) for place in layout.PLACES)
    ]
    assert unknown == []


def test_the_rules_make_all_that_the_layout_knows(made):
    """But for the work folder of a training, which is no output of its rule."""
    inside = (layout.TRAINING, layout.SHARD)
    missing = [
        place
        for place in layout.PLACES
        if place not in inside
        and place.parent != layout.TRAINING
        and not any(stands_for(place, file) for file in made)
    ]
    assert missing == []


def literals(path: Path) -> list[str]:
    """Return the texts in a module that are neither docstrings nor sentences."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = (node for node in nodes if isinstance(node, ast.Constant))
    values = (node.value for node in constants if id(node) not in docs)
    return [one for one in values if isinstance(one, str) and " " not in one]


def test_each_name_is_spelled_in_one_module():
    names = {place.name for place in layout.PLACES if place.suffix}
    templates = {path.name for path in (PACKAGE / "pages/templates").iterdir()}
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).as_posix()
        if module == "layout.py" or module.startswith(tuple(FOREIGN)):
            continue
        spelled = {text.rsplit("/", 1)[-1] for text in literals(path)}
        assert not spelled & (names - templates), module
