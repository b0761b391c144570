"""What a window shows of an object: cases counted by hand."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_flow.dataset.masks import crop_rle
from mmdet_flow.dataset.tiling.parts import TiledObject, as_written
from mmdet_flow.tiles import Window

SIZE = (100, 80)
WINDOW = Window(20, 10, 60, 50)


def part_of(window=WINDOW, size=SIZE, **annotation):
    item = {"id": 1, "category_id": 1, "iscrowd": 0} | annotation
    if "bbox" not in item:
        points = np.concatenate(
            [np.reshape(part, (-1, 2)) for part in item["segmentation"]]
        )
        low, high = points.min(0), points.max(0)
        item["bbox"] = [*low.tolist(), *(high - low).tolist()]
    item.setdefault("area", item["bbox"][2] * item["bbox"][3])
    return TiledObject(item, size).part_in(window)


@pytest.mark.parametrize(
    ("bbox", "expected", "visible"),
    [
        ([25, 20, 10, 8], [5, 10, 10, 8], 1),  # inside
        ([20, 10, 40, 40], [0, 0, 40, 40], 1),  # the window itself
        ([50, 20, 20, 8], [30, 10, 10, 8], 0.5),  # across the right border
        ([10, 45, 20, 20], [0, 35, 10, 5], 10 * 5 / 400),  # across a corner
        ([0, 0, 100, 80], [0, 0, 40, 40], 1600 / 8000),  # around the window
        ([25.3, 20.7, 10.1, 8.9], [25.3 - 20, 20.7 - 10, 10.1, 8.9], 1),
        ([58.5, 20, 3, 8], [38.5, 10, 1.5, 8], 0.5),
        ([59.5, 20, 20, 8], None, 0),  # half a pixel
        ([60, 20, 10, 8], None, 0),  # touches the border
        ([0, 0, 10, 8], None, 0),
        ([30, 20, 0, 8], None, 0),  # has no inside
    ],
)
def test_boxes_are_cut_exactly(bbox, expected, visible):
    part = part_of(bbox=bbox)
    if expected is None:
        assert part is None
        return
    assert part.annotation["bbox"] == expected
    assert part.annotation["area"] == expected[2] * expected[3]
    assert part.visible == visible and part.is_whole == (visible == 1)


def test_what_of_a_box_is_outside_its_image_is_nobodys():
    # 10 of 15 columns are in the image, and the window shows all of these.
    part = part_of(Window(60, 10, 100, 50), bbox=[90, 20, 15, 8])
    assert part.is_whole and part.visible == 1
    assert part.annotation["bbox"] == [30, 10, 10, 8]
    assert part.annotation["area"] == 80
    # And here a half of them.
    part = part_of(Window(55, 10, 95, 50), bbox=[90, 20, 15, 8])
    assert not part.is_whole and part.visible == 0.5


def test_an_outline_inside_keeps_its_digits():
    outline = [25.1, 20.3, 35.7, 20.3, 35.7, 30.9]
    part = part_of(segmentation=[outline], area=56.18)
    moved = [v - (20, 10)[n % 2] for n, v in enumerate(outline)]
    assert part.annotation["segmentation"] == [moved]
    assert part.annotation["area"] == 56.18 and part.is_whole


def test_an_outline_is_cut_and_the_box_is_around_what_is_left():
    # A triangle with its right angle at 50,20 and legs of 20: a half is at the left.
    part = part_of(segmentation=[[50, 20, 70, 20, 50, 40]])
    (outline,) = part.annotation["segmentation"]
    points = {tuple(point) for point in np.reshape(outline, (-1, 2)).tolist()}
    assert points == {(30, 10), (40, 10), (40, 20), (30, 30)}
    assert part.annotation["bbox"] == [30, 10, 10, 20]
    assert part.annotation["area"] == 150
    assert part.visible == 150 / 200
    # The other tile has the rest of it.
    rest = part_of(Window(60, 10, 100, 50), segmentation=[[50, 20, 70, 20, 50, 40]])
    assert rest.annotation["bbox"] == [0, 10, 10, 10]
    assert rest.visible == 50 / 200


def test_an_outline_that_falls_apart_stays_one_object():
    # A comb: its back is at the right of the window, two teeth reach into it.
    comb = [50, 20, 80, 20, 80, 40, 50, 40, 50, 35, 70, 35, 70, 25, 50, 25]
    part = part_of(segmentation=[comb])
    assert len(part.annotation["segmentation"]) == 2
    assert part.annotation["bbox"] == [30, 10, 10, 20]
    assert part.annotation["area"] == 2 * 10 * 5
    assert part.visible == 100 / (30 * 20 - 20 * 10)


def test_of_several_outlines_those_that_are_seen_are_left():
    near, far = [25, 20, 35, 20, 35, 30, 25, 30], [80, 20, 90, 20, 90, 30, 80, 30]
    part = part_of(segmentation=[near, far])
    assert part.annotation["segmentation"] == [[5, 10, 15, 10, 15, 20, 5, 20]]
    assert part.annotation["bbox"] == [5, 10, 10, 10]
    assert part.visible == 0.5 and not part.is_whole


def test_a_box_whose_outline_is_elsewhere_is_not_seen():
    """The corner of the box reaches into the window, the object does not."""
    corner = [55, 60, 90, 45, 90, 60]
    assert part_of(segmentation=[corner]) is None


def test_an_outline_that_crosses_itself_is_what_training_fills():
    # An hourglass of two triangles that meet at 60,30: each tile has one.
    part = part_of(segmentation=[[50, 20, 70, 40, 70, 20, 50, 40]])
    assert part.annotation["bbox"] == [30, 10, 10, 20]
    assert part.visible == 0.5


def test_an_outline_that_crosses_itself_too_often_becomes_pixels():
    rng = np.random.default_rng(0)
    tangle = np.round(rng.uniform((10, 5), (95, 75), (120, 2)), 2).ravel().tolist()
    part = part_of(segmentation=[tangle])
    filled = coco_mask.decode(coco_mask.frPyObjects([tangle], *SIZE[::-1]))[:, :, 0]
    expected = filled[WINDOW.top : WINDOW.bottom, WINDOW.left : WINDOW.right]
    assert (pixels_of(part.annotation["segmentation"]) == expected).all()
    assert part.annotation["area"] == expected.sum()
    assert part.visible == expected.sum() / filled.sum()
    # Where it is whole it stays as it is.
    whole = part_of(Window(0, 0, *SIZE), segmentation=[tangle])
    assert whole.annotation["segmentation"] == [tangle]


def pixels_of(rle) -> np.ndarray:
    return coco_mask.decode({"counts": rle["counts"].encode(), "size": rle["size"]})


def rle_of(pixels: np.ndarray, compressed: bool) -> dict:
    if compressed:
        rle = coco_mask.encode(np.asfortranarray(pixels))
        return {"counts": rle["counts"].decode(), "size": list(pixels.shape)}
    values = np.r_[0, pixels.T.ravel()]
    bounds = np.flatnonzero(np.diff(values.astype(int)))
    counts = np.diff(np.r_[0, bounds, pixels.size]).tolist()
    return {"counts": counts, "size": list(pixels.shape)}


@pytest.mark.parametrize("compressed", [True, False])
def test_masks_are_cut_to_the_pixel(compressed):
    rng = np.random.default_rng(compressed)
    for _ in range(150):
        height, width = rng.integers(3, 20, 2)
        pixels = rng.random((height, width)) < rng.choice([0.05, 0.5, 0.95, 1])
        left, right = sorted(rng.choice(width + 1, 2, replace=False).tolist())
        top, bottom = sorted(rng.choice(height + 1, 2, replace=False).tolist())
        expected = pixels[top:bottom, left:right]
        rle = rle_of(pixels.astype(np.uint8), compressed)
        found = crop_rle(rle, Window(left, top, right, bottom))
        if found is None:
            assert not expected.any()
        else:
            assert (pixels_of(found) == expected).all()


def test_a_mask_and_its_figures():
    pixels = np.zeros(SIZE[::-1], np.uint8)
    pixels[20:30, 50:70] = 1
    pixels[24:26, 52:58] = 0  # a hole
    rle = rle_of(pixels, compressed=True)
    part = part_of(bbox=[50, 20, 20, 10], segmentation=rle, area=188, iscrowd=1)
    assert part.annotation["bbox"] == [30, 10, 10, 10]
    assert part.annotation["area"] == 100 - 12
    assert part.visible == 88 / 188 and part.annotation["iscrowd"] == 1
    assert part.annotation["segmentation"]["size"] == [40, 40]
    whole = part_of(
        Window(40, 0, 80, 40), bbox=[50, 20, 20, 10], segmentation=rle, area=188
    )
    assert whole.is_whole and whole.annotation["area"] == 188
    assert whole.annotation["bbox"] == [10, 20, 20, 10]


def test_only_the_whole_is_written_as_one():
    assert as_written(1.0) == 1 and as_written(0.99999) == 0.9999
    assert as_written(0.3) == 0.3 and as_written(0.0) == 0
