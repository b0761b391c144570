"""The results folder of an experiment, made by the steps of the workflow."""

import shutil

import pytest

from tests.conftest import FINISHED

NAME = FINISHED


@pytest.fixture
def run(finished, tmp_path):
    """A run of one's own."""
    return shutil.copytree(finished, tmp_path / "results" / NAME)
