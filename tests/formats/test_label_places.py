"""Labels of objects: none covers another, leaves the picture, or is one too many."""

import numpy as np
import pytest

from mmdet_flow.formats.label_places import SHARE, place_labels

PICTURE = (0, 0, 640, 480)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("picture", [PICTURE, (-50, 30, 300, 200)])
def test_labels_of_crowded_pictures_can_be_read(seed, picture):
    dice = np.random.default_rng(seed)
    boxes = dice.uniform(-20, 640, (200, 4)).tolist()
    sizes = list(zip(dice.uniform(20, 90, 200), [14.0] * 200, strict=True))
    places = place_labels(boxes, sizes, picture)
    left, top, width, height = picture
    both = zip(places, sizes, strict=True)
    taken = [(*place, *size) for place, size in both if place]
    assert 5 < len(taken) < 200
    for number, (x, y, w, h) in enumerate(taken):
        assert left <= x and x + w <= left + width
        assert top <= y and y + h <= top + height
        for a, b, c, d in taken[:number]:
            assert x >= a + c - 1e-9 or a >= x + w - 1e-9 or y >= b + d or b >= y + h
    assert sum(w * h for _, _, w, h in taken) <= SHARE * width * height


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((100, 100, 50, 50), (100, 86)),  # above its left corner
        ((100, 5, 50, 50), (100, 0)),  # at the upper edge
        ((620, 100, 50, 50), (580, 86)),  # at the right edge
        ((-30, 470, 50, 50), (0, 456)),  # at the left edge
        ((0, 0, 640, 480), (0, 0)),  # of all the picture
    ],
)
def test_a_label_stands_at_the_corner_of_its_box(box, place):
    assert place_labels([box], [(60, 14)], PICTURE) == [place]


def test_the_next_label_goes_below():
    box = (100, 100, 50, 50)
    assert place_labels([box] * 2, [(60, 14)] * 2, PICTURE) == [(100, 86), (100, 150)]


def test_the_first_ones_have_labels_where_not_all_can():
    boxes = [(30 * (n % 3), 25 + 30 * (n // 3), 5, 5) for n in range(9)]
    places = place_labels(boxes, [(20, 20)] * 9, (0, 0, 100, 100))
    assert [place is not None for place in places] == [True] * 5 + [False] * 4


def test_a_label_that_is_wider_than_the_picture_is_left_out_and_a_single_one_is_not():
    assert place_labels([(0, 0, 5, 5)], [(101, 5)], (0, 0, 100, 9)) == [None]
    assert place_labels([(0, 0, 5, 5)], [(100, 9)], (0, 0, 100, 9)) == [(0, 0)]
