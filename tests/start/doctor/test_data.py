"""The data that a config names."""

import pytest

from mmdet_flow.errors import DataError
from mmdet_flow.start.doctor import data as checks
from mmdet_flow.start.doctor.check import Note
from tests.dataset.voc_data import make_voc


def test_images_and_annotations_are_counted(tmp_path):
    root = make_voc(tmp_path)
    data = {"format": "voc", "annotations": root / "xml", "images": root / "images"}
    said = checks.count("cells", data)
    assert said == "cells: 3 images, 3 annotated with 3 objects of 2 classes"
    (root / "images/c.jpg").unlink()
    (root / "xml/d.xml").write_text("<annotation>")
    said = checks.count("cells", data)
    assert isinstance(said, Note)
    assert "2 images, 2 annotated" in said and "1 broken-annotation" in said
    with pytest.raises(DataError, match="no annotations in adams; correct format"):
        checks.count("cells", data | {"format": "adams"})


def test_folders_elsewhere_and_those_to_be_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the checkout may have the example
    data = {"annotations": "s3://bucket/a", "images": "s3://bucket/a"}
    assert isinstance(checks.folders("cells", data), Note)
    drawn = {"annotations": "data/example", "images": "data/example"}
    assert "the workflow draws" in checks.folders("example", drawn)


def test_results_take_what_images_and_trainings_take(tmp_path):
    root = make_voc(tmp_path)
    data = {"format": "voc", "annotations": root / "xml", "images": root / "images"}
    config = {"experiments": {"a": {"data": data}, "b": {"data": data}}}
    images = sum(path.stat().st_size for path in (root / "images").iterdir())
    assert checks.needed_gb(config) == pytest.approx(images / 1e9 + 2)
