"""The folder of converted models, also for users without a home."""

import os
import tempfile
from pathlib import Path

import pytest

from mmdet_flow.cache import default_cache

TEMPORARY = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}" / "mmdet-flow"


@pytest.fixture
def places(tmp_path, monkeypatch) -> Path:
    """Only what is below this folder can be written."""
    monkeypatch.setattr(os, "access", lambda path, mode: path.is_relative_to(tmp_path))
    monkeypatch.delenv("MMDET_FLOW_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home-of-nobody")
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MMDET_FLOW_CACHE": "/read-only"}, "/read-only"),  # as it was told
        ({"XDG_CACHE_HOME": "{}/a"}, "{}/a/mmdet-flow"),
        ({"XDG_CACHE_HOME": "{}/a", "HOME": "{}/b"}, "{}/a/mmdet-flow"),
        ({"HOME": "{}/b"}, "{}/b/.cache/mmdet-flow"),
        ({"XDG_CACHE_HOME": "/.cache", "HOME": "{}/b"}, "{}/b/.cache/mmdet-flow"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "{}/b"}, "{}/b/.cache/mmdet-flow"),
        ({"XDG_CACHE_HOME": "/.cache"}, str(TEMPORARY)),
        ({"HOME": "~"}, str(TEMPORARY)),
        ({}, str(TEMPORARY)),
    ],
)
def test_the_first_folder_that_can_be_written(places, monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(places))
    assert default_cache() == Path(expected.format(places))


def test_weights_that_somebody_else_put_there(places, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (places / "mmdet-flow").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(places))
    assert default_cache() == places / "mmdet-flow"
