import cv2
import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.evaluation.draw import MAX_WIDTH, draw_sheet

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
