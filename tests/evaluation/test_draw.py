import cv2
import numpy as np
import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.evaluation.draw import MAX_WIDTH, draw_sheet
from mmdet_flow.formats.overlay import draw_object

WIDTH = 300
HEIGHT = 200
"""Of a tile: four of them are as wide as the sheet, and the images are 3 to 2."""


def test_objects_are_drawn_on_their_images(dataset, tmp_path):
    sheet = tmp_path / "sheet.png"
    draw_sheet([dataset.source], dataset.images, sheet, count=5, score=0.3)
    drawn = cv2.imread(str(sheet))
    assert drawn.shape == (2 * HEIGHT, MAX_WIDTH, 3)
    first = cv2.imread(str(sorted(dataset.source.glob("*.jpg"))[0]))
    plain = cv2.resize(first, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    assert (drawn[:HEIGHT, :WIDTH] != plain).any()


def test_a_sheet_that_is_no_picture_is_refused(dataset, tmp_path):
    with pytest.raises(UsageError, match=r"sheet\.txt: name it \.jpg or \.png"):
        draw_sheet([dataset.source], dataset.images, tmp_path / "sheet.txt", 5, 0.3)


def test_a_text_at_the_edge_can_be_read():
    whole, moved = np.zeros((2, 60, 200, 3), np.uint8)
    box = [[180, 30], [190, 30], [190, 40], [180, 40]]
    draw_object(whole, box, (50, 30), "washer 0.90", 0)
    draw_object(moved, box, (180, 30), "washer 0.90", 0)
    assert (moved[:28] > 0).sum() == (whole[:28] > 0).sum() > 500
