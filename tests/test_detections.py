import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_flow.detections import Detections, Mask
from mmdet_flow.formats.coco_results import to_rle
from mmdet_flow.formats.objects import Outlines, trace

WIDTH, HEIGHT = 50, 40


def shapes() -> list[np.ndarray]:
    """Return masks of a whole image: at each edge, in parts, of one pixel, of none."""
    random = np.random.default_rng(0)
    masks = np.zeros((40, HEIGHT, WIDTH), bool)
    for mask in masks[:36]:
        left, right = np.sort(random.integers(0, WIDTH + 1, 2))
        top, bottom = np.sort(random.integers(0, HEIGHT + 1, 2))
        mask[top:bottom, left:right] = random.random((bottom - top, right - left)) < 0.7
    masks[37] = True
    masks[38, -1, -1] = masks[39, 0, 0] = True
    return list(masks)


@pytest.mark.parametrize("whole", shapes())
def test_a_part_of_the_image_is_as_good_as_the_whole_mask(whole):
    mask = Mask.of_image(whole)
    assert (mask.in_image(WIDTH, HEIGHT) == whole).all()
    assert mask.area == whole.sum()
    encoded = coco_mask.encode(np.asfortranarray(whole.astype(np.uint8)))
    assert to_rle(mask, WIDTH, HEIGHT)["counts"] == encoded["counts"].decode()
    for nth in (1, 2, 3, 7):
        outlines = Outlines(nth=nth)
        assert trace(mask, outlines) == trace(Mask(0, 0, whole), outlines)


def test_masks_are_joined_where_they_are():
    one, two, three = shapes()[:3]
    joined = Mask.join([Mask.of_image(each) for each in (one, two, three)])
    assert (joined.in_image(WIDTH, HEIGHT) == (one | two | three)).all()


def test_a_mask_too_few_is_refused():
    arrays = np.zeros((1, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, int)
    with pytest.raises(ValueError, match="masks: expected 1, got 0"):
        Detections(9, 9, *arrays, ("a",), ())
