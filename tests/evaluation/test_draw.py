import cv2

from mmdet_flow.evaluation.draw import MAX_WIDTH, draw_sheet


def test_objects_are_drawn_on_their_images(dataset, tmp_path):
    sheet = tmp_path / "sheet.png"
    draw_sheet([dataset.source], dataset.images, sheet, count=5, score=0.3)
    drawn = cv2.imread(str(sheet))
    assert drawn.shape == (2 * 225, MAX_WIDTH, 3)
    first = cv2.imread(str(sorted(dataset.source.glob("*.jpg"))[0]))
    plain = cv2.resize(first, (300, 225), interpolation=cv2.INTER_AREA)
    assert (drawn[:225, :300] != plain).any()
