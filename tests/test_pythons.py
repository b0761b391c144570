"""The set-up with each Python that the locks are for, where this machine has it."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT, command_of
from tests.pythons import python_of

VERSIONS = ("3.11", "3.12", "3.13")

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


@pytest.mark.pythons
def test_a_project_is_set_up_and_runs(python, tmp_path):
    """As a user does it who has the wheel: new, make setup, make demo."""
    project = tmp_path / "project"
    assert command_of("new")([project]) == 0
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for target in ("setup", "demo"):
        run = subprocess.run(
            ("make", "-C", project, target), env=variables | {"PYTHON": python}
        )
        assert run.returncode == 0, f"make {target}"
    assert (project / "results/example/summary.txt").read_text()
