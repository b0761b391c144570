"""The set-up with each Python that the locks are for, where this machine has it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mmdet_flow.files import sha256_of
from tests.conftest import ROOT, command_of
from tests.pythons import python_of

VERSIONS = ("3.11", "3.12", "3.13")

DATA = "dataset", "splits", "card"
"""Folders of an experiment that have the same bytes, whichever Python makes them."""

OF_MMCV = """
def get_version():
    exec("__version__ = '2.1.0'")
    return locals()["__version__"]

def with_names(one=1):
    names = {"two": 2}
    exec("three = one + two", {"one": one}, names)
    return names["three"]

print(get_version(), with_names(), exec("four = 4") or four)
"""


@pytest.fixture(params=VERSIONS)
def python(request) -> str:
    found = python_of(request.param)
    return found or pytest.skip(f"there is no Python {request.param}")


def test_the_setup_of_mmcv_reads_its_version(python, tmp_path):
    """Python 3.13 alone does not let it."""
    shutil.copy(ROOT / "envs/exec_in_frame.py", tmp_path / "sitecustomize.py")
    run = subprocess.run(
        (python, "-c", OF_MMCV),
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.stdout == "2.1.0 3 4\n", run.stderr


def refusal(script: str, root: Path, **variables: str) -> str:
    """Return the one line with which a set-up refuses to begin."""
    run = subprocess.run(
        (ROOT / "envs" / script, root),
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1 and not run.stdout and not root.exists()
    [line] = run.stderr.splitlines()
    return line


@pytest.fixture
def another() -> str:
    """One that the locks are not for."""
    found = [*map(python_of, ("3.10", "3.14"))]
    return next(filter(None, found), None) or pytest.skip("there is no other Python")


def test_another_python_that_is_named_is_refused(another, tmp_path):
    line = refusal("setup.sh", tmp_path / "new", PYTHON=another)
    assert re.fullmatch(
        rf"error: PYTHON={another} is Python 3\.1[04]\.\d+; "
        "name one of 3.11, 3.12 or 3.13",
        line,
    )


def test_a_machine_that_has_another_python_alone(another, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(another)
    for program in ("bash", "dirname", "env"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    line = refusal("setup.sh", tmp_path / "new", PATH=str(tmp_path / "bin"), PYTHON="")
    assert re.fullmatch(
        r"error: python3 is Python 3\.1[04]\.\d+; "
        "install one of 3.11, 3.12 or 3.13, and name it in PYTHON",
        line,
    )


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("setup.sh", "is no Python; name one of 3.11, 3.12 or 3.13"),
        ("setup-predict.sh", "is not Python 3.10 to 3.13; name one"),
    ],
)
def test_a_python_that_is_not_there(script, wanted, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    assert f"{nowhere} {wanted}" in refusal(script, tmp_path / "new", PYTHON=nowhere)


@pytest.fixture(scope="module")
def made_by_others() -> dict[str, dict[str, str]]:
    """What the Pythons before have made, as SHA-256 by path."""
    return {}


@pytest.mark.pythons
def test_a_project_is_set_up_and_runs(python, made_by_others, tmp_path):
    """As a user does it who has the wheel: new, make setup, make demo."""
    project = tmp_path / "project"
    assert command_of("new")([project]) == 0
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for target in ("setup", "demo"):
        run = subprocess.run(
            ("make", "-C", project, target), env=variables | {"PYTHON": python}
        )
        assert run.returncode == 0, f"make {target}"
    results = project / "results/example"
    assert (results / "summary.txt").read_text()
    files = [one for folder in DATA for one in sorted((results / folder).rglob("*"))]
    made = {
        str(one.relative_to(results)): sha256_of(one) for one in files if one.is_file()
    }
    assert len(made) > 160 and made == made_by_others.setdefault("data", made)
