"""The choice of a precision, which holds for all later trainings of its kind."""

import pytest

from mmdet_flow.inference.engines.cache import VARIABLE
from mmdet_flow.model.precision import measured_once


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_measured_once_holds(cache):
    work = ["a model", 4, "AVX2"]
    assert measured_once(work, lambda: "bf16") == "bf16"
    assert measured_once(work, lambda: "fp32") == "bf16"
    assert measured_once([*work[:2], "AVX512"], lambda: "fp32") == "fp32"


def test_a_damaged_note_is_measured_again(cache):
    assert measured_once(["a model"], lambda: "bf16") == "bf16"
    [note] = (cache / "precision").iterdir()
    note.write_text("bf")
    assert measured_once(["a model"], lambda: "fp32") == "fp32"
    assert note.read_text() == "fp32\n"


def test_a_cache_that_cannot_be_written_is_no_error(cache):
    cache.write_text("not a folder")
    assert measured_once(["a model"], lambda: "bf16") == "bf16"
