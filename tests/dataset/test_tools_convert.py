"""The formats of annotation tools, through wai.annotations to COCO."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject, Source
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from tests.dataset.test_datumaro import annotation, item, ring, rle, write
from tests.dataset.tool_writers import BOXES_ONLY, TOOL_WRITERS
from tests.dataset.voc_data import make_picture

PARTS = (
    (1.25, 2.0, 9.5, 2.0, 9.5, 10.015625, 1.25, 10.0),
    (20.0, 20.0, 30.75, 20.0, 25.0, 31.5),
)


@pytest.mark.parametrize("name", sorted(TOOL_WRITERS))
def test_parts_empty_images_and_names_with_dots_arrive(tmp_path, name):
    """Formats without groups have an object an outline instead."""
    has_groups = name not in ("label-studio", "via-csv")
    parts = (PARTS,) if has_groups else ((one,) for one in PARTS)
    boxes = {PARTS: (1.25, 2.0, 29.5, 29.5), PARTS[:1]: (1.25, 2.0, 8.25, 8.015625)}
    boxes[PARTS[1:]] = (20.0, 20.0, 10.75, 11.5)
    objects = tuple(
        AnnotatedObject("big cat", boxes[one], "", () if name in BOXES_ONLY else one)
        for one in parts
    )
    objects += (AnnotatedObject("dog", (0.5, 0.25, 63.5, 47.75)),)
    source = tmp_path / "source"
    source.mkdir()
    for seed, image in enumerate(("s.v1.png", "s.v2.png")):
        make_picture(source / image, seed)
    images = [
        AnnotatedImage(source, source / "s.v1.png", None, objects),
        AnnotatedImage(source, source / "s.v2.png", None, ()),
    ]
    TOOL_WRITERS[name](images, source)
    convert(name, Source(source, source), tmp_path / "out")
    coco = CocoFile.read(tmp_path / "out/annotations.json")
    assert [one["file_name"] for one in coco.images] == ["s.v1.png", "s.v2.png"]
    assert [
        (
            coco.classes[one["category_id"] - 1],
            tuple(one["bbox"]),
            tuple(map(tuple, one["segmentation"])),
        )
        for one in coco.annotations
    ] == [(one.label, one.bbox, one.polygons) for one in objects]
    assert {one["image_id"] for one in coco.annotations} == {1}


def test_a_mask_arrives_with_its_hole(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    make_picture(source / "a.jpg", 1)
    box = annotation("bbox", bbox=[1.5, 1, 5, 5])
    write(source, item("a.jpg", box, annotation("mask", rle=rle(ring()))))
    convert("datumaro", Source(source, source), tmp_path / "out", Rules(["cat"]))
    content = json.loads((tmp_path / "out/annotations.json").read_text())
    box, mask = content["annotations"]
    assert (box["bbox"], box["segmentation"]) == ([1.5, 1.0, 5.0, 5.0], [])
    assert np.array_equal(coco_mask.decode(mask["segmentation"]), ring())
    assert mask["area"] == ring().sum()
    assert mask["bbox"] == [10.0, 5.0, 30.0, 20.0]
