"""Prediction by tiles: every object once and whole, as without tiles where they fit."""

import tracemalloc
from itertools import pairwise

import cv2
import numpy as np
import pytest

from mmdet_flow.detections import Detections, Mask
from mmdet_flow.errors import UsageError
from mmdet_flow.inference.tiled.detector import TiledDetector
from mmdet_flow.inference.tiled.merging import merge
from mmdet_flow.inference.tiled.pairs import meeting
from mmdet_flow.tiles import Tiles, Window

LEFT, RIGHT = Window(0, 0, 100, 100), Window(80, 0, 180, 100)
"""Two tiles of an image of 180 x 100 pixels that share 20 columns."""


def seen(window: Window, *objects) -> Detections:
    """Return what a tile shows: boxes in pixels of the image, score, label."""
    boxes = np.array([box for box, *_ in objects], np.float32).reshape(-1, 4)
    boxes -= np.tile(window[:2], 2).astype(np.float32)
    return Detections(
        *(window.width, window.height, boxes),
        np.array([score for _, score, _ in objects], np.float32),
        np.array([label for *_, label in objects], np.int64),
        ("a", "b"),
    )


def merged(width: int, height: int, tiles: dict) -> list[tuple]:
    found = merge(width, height, list(tiles), list(tiles.values()))
    scores = found.scores.astype(float).round(4).tolist()
    return list(zip(found.boxes.tolist(), scores, found.labels.tolist(), strict=True))


def two_tiles(left: list, right: list) -> list[tuple]:
    return merged(180, 100, {LEFT: seen(LEFT, *left), RIGHT: seen(RIGHT, *right)})


def test_what_both_tiles_show_is_one_object():
    """The better of two; another class, and another place, are other objects."""
    one, twin, other = [82, 10, 97, 30], [83, 10, 97, 31], [82, 50, 97, 70]
    found = two_tiles([(one, 0.8, 0), (other, 0.7, 1)], [(twin, 0.9, 0), (one, 0.6, 1)])
    assert found == [(twin, 0.9, 0), (other, 0.7, 1), (one, 0.6, 1)]


def test_two_objects_of_one_tile_stay_two():
    one, over_it = [10, 10, 30, 30], [12, 10, 32, 30]
    found = two_tiles([(one, 0.9, 0), (over_it, 0.8, 0)], [])
    assert found == [(one, 0.9, 0), (over_it, 0.8, 0)]


@pytest.mark.parametrize("score", [0.3, 0.9])
def test_a_cut_object_goes_where_another_tile_shows_its_place(score):
    """However good it is, and whether the other tile shows it or not."""
    whole, part = [70, 10, 98, 30], [80, 10, 98, 30]
    assert two_tiles([(whole, 0.6, 0)], [(part, score, 0)]) == [(whole, 0.6, 0)]
    assert two_tiles([], [(part, score, 0)]) == []


def test_a_poor_object_does_not_replace_a_good_part():
    """The part is cut by the left tile, and what the right one shows is not cut."""
    part, poor = [70, 10, 100, 30], [82, 10, 150, 32]
    found = two_tiles([(part, 0.9, 0)], [(poor, 0.05, 0)])
    assert found == [(part, 0.9, 0), (poor, 0.05, 0)]
    better = two_tiles([(part, 0.9, 0)], [(poor, 0.5, 0)])
    assert better == [(poor, 0.5, 0)]


def test_parts_of_an_object_larger_than_a_tile_are_joined():
    first, second = [20, 10, 100, 90], [80, 11, 170, 90]
    found = two_tiles([(first, 0.6, 0)], [(second, 0.8, 0)])
    assert found == [([20, 10, 170, 90], 0.8, 0)]


def test_parts_that_look_otherwise_in_the_shared_columns_are_two_objects():
    first, second = [20, 10, 100, 40], [80, 60, 170, 90]
    assert len(two_tiles([(first, 0.6, 0)], [(second, 0.8, 0)])) == 2
    narrow = [80, 10, 84, 40]  # ends long before the first one is cut
    assert two_tiles([(first, 0.6, 0)], [(narrow, 0.8, 0)]) == [(first, 0.6, 0)]


def test_parts_are_joined_without_any_overlap_of_tiles():
    left, right = Window(0, 0, 90, 100), Window(90, 0, 180, 100)
    tiles = {
        left: seen(left, ([60, 20, 90, 50], 0.9, 0), ([60, 60, 90, 90], 0.7, 0)),
        right: seen(right, ([90, 21, 120, 50], 0.8, 0), ([95, 60, 120, 90], 0.6, 0)),
    }
    found = merged(180, 100, tiles)
    assert ([60, 20, 120, 50], 0.9, 0) in found
    assert len(found) == 3  # one of the others is not at the edge


def test_at_the_edge_of_the_image_nothing_is_cut():
    """An object there is whole, and one of another tile is no part of it."""
    at_edge = [150, 10, 180, 40]
    assert two_tiles([], [(at_edge, 0.9, 0)]) == [(at_edge, 0.9, 0)]
    top = Window(0, 0, 100, 60)
    bottom = Window(0, 40, 100, 100)
    tiles = {
        top: seen(top, ([0, 30, 20, 60], 0.9, 0)),
        bottom: seen(bottom, ([0, 40, 20, 80], 0.8, 0)),
    }
    assert merged(100, 100, tiles) == [([0, 30, 20, 80], 0.9, 0)]


def test_masks_of_parts_are_joined():
    tiles = {}
    whole = np.zeros((100, 180), bool)
    cv2.ellipse(whole.view(np.uint8), (95, 50), (75, 30), 10, 0, 360, 1, -1)
    for window, score in ((LEFT, 0.6), (RIGHT, 0.8)):
        part = whole[window.top : window.bottom, window.left : window.right]
        mask = Mask.of_image(part)
        box = [mask.left, mask.top, mask.right, mask.bottom]
        tiles[window] = Detections(
            *(window.width, window.height, np.array([box], np.float32)),
            *(np.array([score], np.float32), np.array([0]), ("a",), (mask,)),
        )
    found = merge(180, 100, list(tiles), list(tiles.values()))
    (mask,) = found.masks
    assert np.array_equal(mask.in_image(180, 100), whole)


class Blobs:
    """A detector of bright spots, by their connected pixels: exact, and no network."""

    classes, engine, meta = ("spot",), None, {}

    def __init__(self, masks: bool = False) -> None:
        self.masks = masks

    def predict(self, images) -> list[Detections]:
        return [self._predict(image) for image in images]

    def _predict(self, image) -> Detections:
        grey = np.ascontiguousarray(image[..., 0])
        count, labels, stats, _ = cv2.connectedComponentsWithStats(grey)
        left, top, width, height, area = stats[1:].T.astype(np.float32)
        order = np.argsort(-area, kind="stable")
        boxes = np.column_stack((left, top, left + width, top + height))[order]
        masks = None
        if self.masks:
            masks = tuple(Mask.of_image(labels == number + 1) for number in order)
        return Detections(
            *(image.shape[1], image.shape[0], boxes.astype(np.float32)),
            np.sort(0.5 + area / (4 * max(area.max(initial=1), 1)))[::-1],
            np.zeros(count - 1, np.int64),
            *(self.classes, masks),
        )


def spots(width: int, height: int, sides: tuple[int, int], seed: int) -> np.ndarray:
    """Return a picture of ellipses that do not touch each other."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    pitch = sides[1] + 4
    for top in range(0, height - pitch, pitch):
        for left in range(0, width - pitch, pitch):
            axes = random.integers(sides[0] // 2, sides[1] // 2 + 1, 2)
            centre = (left + pitch // 2 + 1, top + pitch // 2 + 1)
            cv2.ellipse(picture, centre, axes.tolist(), 0, 0, 360, (255,) * 3, -1)
    return picture


def as_sorted(found: Detections) -> np.ndarray:
    return found.boxes[np.lexsort(found.boxes.T)]


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.3, 0.5, 0.75])
@pytest.mark.parametrize("sides", [(6, 12), (20, 40), (60, 150)])
@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_each_object_is_found_once_and_whole(sides, overlap, masks):
    """Within a tile, cut at edges and corners of tiles, and larger than a tile."""
    picture = spots(701, 433, sides, seed=1)
    (expected,) = Blobs(masks).predict([picture])
    detector = TiledDetector(Blobs(masks), Tiles(128, overlap=overlap))
    (found,) = detector.predict([picture])
    assert len(expected) > 5
    assert np.abs(as_sorted(found) - as_sorted(expected)).max() == 0
    if masks:
        one, other = (
            sum(mask.in_image(701, 433).astype(int) for mask in each.masks)
            for each in (found, expected)
        )
        assert np.array_equal(one, other)


def test_masks_wait_for_those_of_other_tiles_in_little_memory(monkeypatch):
    """Each object is seen by 16 tiles; all their masks would be the most by far."""
    monkeypatch.setattr("mmdet_flow.inference.tiled.detector.TOGETHER", 1)
    picture = spots(1600, 1600, (150, 170), seed=4)
    given = 0

    class Counting(Blobs):
        def _predict(self, image) -> Detections:
            nonlocal given
            found = super()._predict(image)
            given += sum(mask.pixels.nbytes for mask in found.masks)
            return found

    detector = TiledDetector(Counting(masks=True), Tiles(400, overlap=0.75))
    tracemalloc.start()
    (found,) = detector.predict([picture])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) > 50 and most < given / 2


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 5), (8, 16)])
def test_a_packed_mask_has_the_same_pixels(shape):
    pixels = np.random.default_rng(0).random(shape) < 0.5
    mask = Mask(2, 3, pixels).packed().moved(10, 20).packed()
    sides = (mask.left, mask.top, mask.right, mask.bottom)
    assert sides == (12, 23, 12 + shape[1], 23 + shape[0])
    assert mask.pixels.dtype == bool and mask.area == pixels.sum()
    assert np.array_equal(mask.pixels, pixels)


def test_the_whole_image_as_one_more_tile_adds_no_object():
    picture = spots(701, 433, (20, 40), seed=2)
    (expected,) = Blobs().predict([picture])
    tiles = Tiles(128, overlap=0.4, full_image=True)
    (found,) = TiledDetector(Blobs(), tiles).predict([picture])
    assert np.array_equal(as_sorted(found), as_sorted(expected))


def test_an_image_that_is_one_tile_is_seen_as_without_tiles():
    picture = spots(120, 90, (20, 30), seed=3)
    (expected,) = Blobs().predict([picture])
    for size in (120, 500):
        (found,) = TiledDetector(Blobs(), Tiles(size, full_image=True)).predict(
            [picture]
        )
        assert np.array_equal(found.boxes, expected.boxes)
        assert np.array_equal(found.scores, expected.scores)


def test_boxes_that_meet_are_those_of_all_pairs():
    random = np.random.default_rng(0)
    for count in (0, 1, 2, 300):
        corners = random.integers(0, 60, (count, 2, 2)) * random.choice([1, 5])
        boxes = np.sort(corners, 1).reshape(-1, 4).astype(float)
        groups = random.integers(0, 3, count)
        expected = {
            (i, j)
            for i in range(count)
            for j in range(i + 1, count)
            if groups[i] == groups[j]
            and (boxes[i, :2] <= boxes[j, 2:]).all()
            and (boxes[j, :2] <= boxes[i, 2:]).all()
        }
        found = meeting(boxes, groups)
        assert (
            len(found) == len(expected) and set(map(tuple, found.tolist())) == expected
        )


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pairs_are_the_same_however_many_are_looked_at_together(most, monkeypatch):
    random = np.random.default_rng(1)
    boxes = np.sort(random.uniform(0, 50, (80, 2, 2)), 1).reshape(-1, 4)
    groups = np.zeros(80, np.int64)
    expected = meeting(boxes, groups)
    monkeypatch.setattr("mmdet_flow.inference.tiled.pairs.MOST", most)
    assert np.array_equal(meeting(boxes, groups), expected)


@pytest.mark.parametrize("size", [32, 100, 640])
@pytest.mark.parametrize("overlap", [0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(1, 1), (640, 480), (641, 100), (1999, 777)])
def test_tiles_cover_an_image_and_share_what_is_asked_for(size, overlap, shape):
    width, height = shape
    windows = Tiles(size, overlap).windows(width, height)
    covered = np.zeros((height, width), bool)
    for one in windows:
        covered[one.top : one.bottom, one.left : one.right] = True
        assert (one.width, one.height) == (min(size, width), min(size, height))
    assert covered.all()
    lefts = sorted({one.left for one in windows})
    shared = [size - (after - before) for before, after in pairwise(lefts)]
    assert all(common >= int(overlap * size) for common in shared)
    assert max(shared, default=0) - min(shared, default=0) <= 1


def test_the_scale_makes_tiles_larger_or_smaller():
    assert Tiles(640, scale=2).side == 320
    assert Tiles(640, scale=0.5).windows(1280, 1280) == [(0, 0, 1280, 1280)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"overlap": 1.0},
            "tile overlap 1: is a fraction of a tile, from 0 to below 1",
        ),
        ({"overlap": -0.1}, "tile overlap -0.1: is a fraction"),
        ({"scale": 0}, "tile scale 0: give a number above 0"),
        ({"scale": 100.0}, "tile size 640 at scale 100: is 6 pixels of an image"),
    ],
)
def test_tiles_that_divide_nothing_are_one_line(values, message):
    with pytest.raises(UsageError, match=message):
        Tiles(640, **values)


def test_too_many_tiles_are_refused():
    with pytest.raises(UsageError, match="has 1562500 such tiles, more than 1000000"):
        Tiles(16, overlap=0).windows(20_000, 20_000)
