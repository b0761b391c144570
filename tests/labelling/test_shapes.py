"""Outlines along the edges of pixels, against the masks that they were traced from."""

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from shapely import Polygon, contains_xy

from mmdet_flow.detections import Mask
from mmdet_flow.formats.objects import Outlines, trace
from mmdet_flow.labelling.shapes import around_pixels

HEIGHT, WIDTH = 48, 64


def blobs(seed: int) -> np.ndarray:
    """Return a mask (height, width) bool of several parts, with thin ones."""
    noise = np.random.default_rng(seed).random((8, 10))
    size = WIDTH, HEIGHT
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) > 0.6


def flat(points) -> tuple[float, ...]:
    return tuple(float(value) for point in points for value in point)


def filled(points) -> np.ndarray:
    """Return the pixels on an outline through their middles, and inside it."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(picture, [np.array(points, np.int32)], 1)
    return picture.astype(bool)


@pytest.mark.parametrize("seed", range(8))
def test_the_pixels_of_an_outline_are_those_whose_middles_are_inside(seed):
    rows, columns = np.indices((HEIGHT, WIDTH)) + 0.5
    for points in trace(Mask.of_image(blobs(seed)), Outlines(simplify=0)):
        shape = Polygon(np.reshape(around_pixels(flat(points)), (-1, 2)))
        assert shape.is_valid
        assert (contains_xy(shape, columns, rows) == filled(points)).all()
        xs, ys = zip(*points, strict=True)
        assert shape.bounds == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(3, 4)] * 4, (3, 4, 4, 5)),
        ([(3, 4), (9, 4), (9, 4), (3, 4)], (3, 4, 10, 5)),
        ([(3, 4), (3, 9), (3, 9), (3, 4)], (3, 4, 4, 10)),
        ([(3, 4), (9, 4), (9, 8), (3, 8)], (3, 4, 10, 9)),
        # GEOS 3.14 leaves pixels out of a ring around this one, which turns back.
        ([(36, 0), (36, 3), (35, 4), (35, 11), (36, 11)], (35, 0, 37, 12)),
    ],
)
def test_pixels_lines_and_boxes_keep_their_size(points, expected):
    shape = Polygon(np.reshape(around_pixels(flat(points)), (-1, 2)))
    assert shape.bounds == expected
    inside = filled(points).sum()
    assert inside * 0.9 <= shape.area <= inside * 1.05


def test_an_outline_that_is_accepted_keeps_its_mask_in_training():
    """As pycocotools fills it; through the middles, pixels would be lost."""
    overlaps = {"edges": [], "middles": []}
    for seed in range(8):
        for points in trace(Mask.of_image(blobs(seed)), Outlines()):
            mask = filled(points)
            if mask.sum() < 25:
                continue
            outlines = {"edges": around_pixels(flat(points)), "middles": flat(points)}
            for name, outline in outlines.items():
                (rle,) = coco_mask.frPyObjects([list(outline)], HEIGHT, WIDTH)
                pixels = coco_mask.decode(rle).astype(bool)
                overlaps[name].append((pixels & mask).sum() / (pixels | mask).sum())
    assert np.mean(overlaps["edges"]) > 0.98
    assert np.mean(overlaps["middles"]) < 0.9
