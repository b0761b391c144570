"""The choice of a precision, which holds for all later trainings like it."""

import pytest

from mmdet_flow.cache import VARIABLE
from mmdet_flow.model.precision import Note


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_measured_once_holds_for_that_work_alone(cache):
    work = ["a model", 4, "AVX2"]
    assert Note(work).read() is None
    Note(work).write("bf16")
    assert Note(work).read() == "bf16"
    assert Note([*work[:2], "AVX512"]).read() is None


def test_a_damaged_note_is_none(cache):
    note = Note(["a model"])
    note.write("bf16")
    [file] = (cache / "precision").iterdir()
    file.write_text("bf")
    assert note.read() is None


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    cache.write_text("not a folder")
    note = Note(["a model"])
    note.write("bf16")
    assert note.read() is None
