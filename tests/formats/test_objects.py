import cv2
import numpy as np
import pytest

from mmdet_flow.detections import Detections, Mask
from mmdet_flow.formats.objects import Outlines, to_pixels
from mmdet_flow.formats.objects import trace as trace_mask


def detections(box, mask=None, width=100, height=80) -> Detections:
    return Detections(
        width,
        height,
        np.array([box], np.float32),
        np.array([0.9], np.float32),
        np.array([1]),
        ("a", "b"),
        None if mask is None else (Mask.of_image(mask),),
    )


def trace(mask: np.ndarray, outlines: Outlines) -> list[list[list[int]]]:
    return trace_mask(Mask.of_image(mask), outlines)


def disc(radius, centre=(40, 40), shape=(80, 100)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.circle(mask, centre, radius, 1, -1)
    return mask.astype(bool)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 20, 30, 40), (10, 20, 29, 39)),  # the far edges become inclusive
        ((9.6, 19.4, 30.4, 39.6), (10, 19, 29, 39)),  # rounded, not truncated
        ((-5, -5, 500, 500), (0, 0, 99, 79)),  # clamped to the image
        ((10.1, 10.1, 10.2, 10.2), (10, 10, 10, 10)),  # never inverted
        ((99.9, 79.9, 100, 80), (99, 79, 99, 79)),
    ],
)
def test_boxes_are_whole_inclusive_pixels_inside_the_image(box, expected):
    (item,) = to_pixels(detections(box), Outlines())
    assert item.bbox == expected
    assert item.polygon == [
        [expected[0], expected[1]],
        [expected[2], expected[1]],
        [expected[2], expected[3]],
        [expected[0], expected[3]],
    ]


def test_the_largest_part_is_the_polygon_and_the_others_are_kept():
    mask = disc(20)
    mask[2:4, 2:4] = True  # a speck, found first
    (item,) = to_pixels(detections((0, 0, 62, 62), mask), Outlines())
    assert cv2.contourArea(np.array(item.polygon)) > 1000
    assert len(item.parts) == 1
    assert item.area == mask.sum()


def test_a_simplified_disc_is_small_and_true():
    mask = disc(250, (300, 300), (600, 600))
    assert len(trace(mask, Outlines(simplify=0))[0]) > 300
    (polygon,) = trace(mask, Outlines())
    assert len(polygon) < 80
    redrawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(redrawn, [np.array(polygon)], 1)
    overlap = (mask & (redrawn > 0)).sum() / (mask | (redrawn > 0)).sum()
    assert overlap > 0.99


@pytest.mark.parametrize("pixels", [[], [(5, 5)], [(5, 5), (5, 6)]])
def test_a_mask_too_small_for_a_polygon_gives_the_box(pixels):
    mask = np.zeros((80, 100), bool)
    for row, column in pixels:
        mask[row, column] = True
    (item,) = to_pixels(detections((10, 10, 20, 20), mask), Outlines())
    assert item.polygon == [[10, 10], [19, 10], [19, 19], [10, 19]]


def test_the_box_can_follow_the_polygon():
    outlines = Outlines(simplify=0, fit_bbox_to_polygon=True)
    (item,) = to_pixels(detections((0, 0, 90, 70), disc(20)), outlines)
    assert item.bbox == (20, 20, 60, 60)


@pytest.mark.parametrize(("fraction", "points"), [(0.5, 4), (0.01, 20), (-1.0, 20)])
def test_the_box_replaces_a_polygon_that_covers_too_little(fraction, points):
    outlines = Outlines(bbox_as_fallback=fraction)
    (item,) = to_pixels(detections((0, 0, 90, 70), disc(10)), outlines)
    assert (len(item.polygon) == 4) == (points == 4)


def test_wrong_shapes_say_expected_and_actual():
    with pytest.raises(ValueError, match=r"boxes: expected shape \(2, 4\), got"):
        Detections(9, 9, np.zeros((1, 4)), np.zeros(2), np.zeros(2, int), ("a",))


def square_ring(*insets: int) -> np.ndarray:
    """Return a square of 30 pixels, by turns emptied and filled further inside."""
    mask = np.zeros((80, 100), bool)
    for number, inset in enumerate((0, *insets)):
        mask[10 + inset : 40 - inset, 10 + inset : 40 - inset] = number % 2 == 0
    return mask


@pytest.mark.parametrize("connected", ["high", "low"])
def test_holes_are_filled_and_islands_in_them_are_parts(connected):
    outlines = Outlines(fully_connected=connected)
    whole = [[10, 10], [10, 39], [39, 39], [39, 10]]
    assert trace(square_ring(8), outlines) == [whole]
    island = [[20, 20], [20, 29], [29, 29], [29, 20]]
    assert trace(square_ring(5, 10), outlines) == [whole, island]
    speck = [[24, 24], [24, 25], [25, 25], [25, 24]]
    assert trace(square_ring(5, 10, 12, 14), outlines) == [whole, island, speck]
    (item,) = to_pixels(detections((10, 10, 40, 40), square_ring(8)), outlines)
    assert item.area == 900 - 196


@pytest.mark.parametrize(
    ("step", "end"), [((0, 1), [29, 20]), ((1, 0), [20, 29]), ((1, 1), [29, 29])]
)
def test_a_line_of_pixels_runs_there_and_back(step, end):
    mask = np.zeros((80, 100), bool)
    for n in range(10):
        mask[20 + n * step[0], 20 + n * step[1]] = True
    assert trace(mask, Outlines()) == [[[20, 20], end, end, [20, 20]]]
    apart = trace(mask, Outlines(fully_connected="low"))
    assert apart == ([] if step == (1, 1) else [[[20, 20], end, end, [20, 20]]])
