import json

import cv2
import numpy as np
import pytest
import tifffile

from mmdet_flow.colours import bgr
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.evaluation.draw import MAX_WIDTH, draw_sheet
from mmdet_flow.formats.overlay import Drawn, draw_objects
from mmdet_flow.tiles import Tiles

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
    draw_objects(whole, [Drawn(box, (50, 30, 11, 11), "washer 0.90", 0)])
    draw_objects(moved, [Drawn(box, (180, 30, 11, 11), "washer 0.90", 0)])
    assert (moved[:28] > 0).sum() == (whole[:28] > 0).sum() > 500


def test_a_picture_has_one_font():
    """That of a name that OpenCV cannot write, for all names."""
    alone, beside = np.zeros((2, 60, 300, 3), np.uint8)
    apple = Drawn([[9, 30]], (9, 30, 11, 11), "Apfel 0.90", 0)
    draw_objects(alone, [apple])
    draw_objects(beside, [apple, Drawn([[200, 30]], (200, 30, 9, 9), "grüne Birne", 1)])
    assert (alone[:28, :150] != beside[:28, :150]).any()
    again = np.zeros_like(beside)
    draw_objects(again, [apple, Drawn([[200, 30]], (200, 30, 9, 9), "é", 1)])
    assert (again[:28, :150] == beside[:28, :150]).all()


def test_a_class_has_the_colour_of_its_place_in_the_class_list(tmp_path):
    folders = write_opex(tmp_path / "opex", polygon={"points": []}, label="x")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / "classes.txt").write_text("a\nb\nx\n")
    for classes, place in ((None, 0), (tmp_path / "classes.txt", 2)):
        sheet = tmp_path / "sheet.png"
        draw_sheet(folders, tmp_path, sheet, 1, None, class_list=classes)
        drawn = cv2.imread(str(sheet))
        assert (drawn == bgr(place)).all(2).any()
        assert not (drawn == bgr(2 - place)).all(2).any()


def test_labels_cover_no_other_label(tmp_path):
    """Two objects in the same place have as much text as two that are apart."""
    together, apart = np.zeros((2, 100, 400, 3), np.uint8)
    box = (50, 40, 30, 30)
    for picture, other in ((together, box), (apart, (250, 40, 30, 30))):
        objects = [
            Drawn([[0, 0]], where, text, number)
            for where, text, number in ((box, "leaf 0.90", 0), (other, "shell 0.80", 1))
        ]
        draw_objects(picture, objects)
    for number in (0, 1):
        shown = [(one == bgr(number)).all(2).sum() for one in (together, apart)]
        assert shown[0] == shown[1] > 300


def write_opex(folder, **changes) -> list:
    """Write an OPEX file with one object, whose keys change; return its folder."""
    box = dict(zip(("left", "top", "right", "bottom"), (1, 1, 5, 5), strict=True))
    polygon = {"points": [[1, 1], [5, 1], [5, 5]]}
    item = {"label": "leaf", "bbox": box, "polygon": polygon, "score": 0.9} | changes
    folder.mkdir(exist_ok=True)
    (folder / "a.json").write_text(json.dumps({"id": "a.png", "objects": [item]}))
    return [folder]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"label": float("inf")}, "label is inf"),
        ({"label": []}, r"label is \[\], not text"),
        ({"bbox": None}, "bbox is None, not an object"),
        ({"polygon": {"points": 5}}, "points is 5, not a list"),
        ({"polygon": {"points": [[1]]}}, r"a point of its polygon is \[1\]"),
        ({"score": "high"}, "its score is 'high', not a number"),
    ],
)
def test_what_is_no_opex_is_told_with_its_object(changes, what, tmp_path):
    with pytest.raises(DataError, match=rf"a\.json: object 1: {what}"):
        draw_sheet(write_opex(tmp_path, **changes), tmp_path, tmp_path / "s.png", 1, 0)


def test_all_that_was_predicted_is_drawn_unless_a_score_is_given(tmp_path):
    folders = write_opex(tmp_path / "opex", score=0.05)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    for score, drawn in ((None, True), (0.05, True), (0.3, False)):
        draw_sheet(folders, tmp_path, tmp_path / "sheet.png", 1, score)
        assert cv2.imread(str(tmp_path / "sheet.png"))[:100, :100].any() == drawn


def test_a_box_without_a_polygon_is_drawn(tmp_path):
    folders = write_opex(tmp_path / "opex", polygon={"points": []}, label="x")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    draw_sheet(folders, tmp_path, tmp_path / "sheet.png", 1, None)
    assert cv2.imread(str(tmp_path / "sheet.png"))[150, 30:160].any()


@pytest.mark.parametrize(
    "words", [("Käfer", "Kafer"), ("猫", "狗"), ("ก", "ข"), ("я", "ю")]
)
def test_names_in_any_script_are_told_apart(words):
    pictures = []
    for word in words:
        picture = np.zeros((60, 300, 3), np.uint8)
        points, box = [[0, 50], [9, 50], [9, 59]], (20, 30, 9, 9)
        draw_objects(picture, [Drawn(points, box, f"{word} 0.90", 0)])
        assert (picture[10:32] > 0).sum() > 500
        pictures.append(picture)
    assert (pictures[0] != pictures[1]).any()


def test_a_long_name_in_any_script_fits_no_small_picture():
    for shape in ((1, 1), (3, 2000), (2000, 3)):
        picture = np.zeros((*shape, 3), np.uint8)
        for corner in ((0, 0), (9000, 9000), (-9, -9)):
            box = (*corner, 5, 5)
            draw_objects(picture, [Drawn([[0, 0], [0, 0]], box, "ü" * 500, 0)])
        assert picture.shape == (*shape, 3)


@pytest.mark.parametrize("height, width", [(10, 20000), (3000, 1), (1, 3000), (1, 1)])
def test_an_image_of_any_shape_has_a_tile_in_the_sheet(height, width, tmp_path):
    folders = write_opex(tmp_path / "opex")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((height, width, 3), np.uint8))
    draw_sheet(folders, tmp_path, tmp_path / "sheet.png", 1, 0)
    drawn = cv2.imread(str(tmp_path / "sheet.png"))
    assert drawn.shape[1] == MAX_WIDTH and drawn.shape[0] <= 2 * MAX_WIDTH
    assert (drawn == 0).any()


def test_the_borders_of_tiles_are_drawn_where_they_are(tmp_path):
    """Two tiles of 80 pixels in an image of 120 x 80, drawn ten times as large."""
    cv2.imwrite(str(tmp_path / "a.png"), np.full((80, 120, 3), 99, np.uint8))
    (tmp_path / "opex").mkdir()
    (tmp_path / "opex" / "a.json").write_text('{"id": "a.png", "objects": []}')
    sheet = tmp_path / "sheet.png"
    draw_sheet([tmp_path / "opex"], tmp_path, sheet, 1, None, Tiles(80, overlap=0.5))
    drawn = cv2.imread(str(sheet))
    assert drawn.shape == (800, MAX_WIDTH, 3)
    for column, shade in ((0, 255), (799, 255), (400, 0), (1199, 0)):
        assert (drawn[10:790, column] == shade).all()
    assert (drawn[10:790, 410:790] == 99).all()


def test_an_image_too_large_to_unpack_is_drawn_as_any_other(tmp_path):
    """Its bands, and its objects; where it is damaged, that is told with its name.

    One that has no windows is refused.
    """
    ramp = np.linspace(0, 255, 2400)[:, None, None] * np.ones((1, 1800, 3))
    pixels = ramp.astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", tile=(16, 16), compression="zlib")
    sheets = []
    for name in ("a.png", "a.tif"):
        item = {"label": "a", "bbox": {"left": 9, "top": 9, "right": 900, "bottom": 99}}
        (tmp_path / name[2:]).mkdir()
        content = json.dumps({"id": name, "objects": [item | {"score": 0.9}]})
        (tmp_path / name[2:] / "a.json").write_text(content)
        sheets.append(tmp_path / f"{name}.png")
        limit = {"max_pixels": 1000} if name == "a.tif" else {}
        draw_sheet([tmp_path / name[2:]], tmp_path, sheets[-1], 1, None, **limit)
    with pytest.raises(DataError, match=r"a\.png: the image has 1800 x 2400 pixels, m"):
        draw_sheet([tmp_path / "png"], tmp_path, sheets[-1], 1, None, **limit)
    whole, bands = (cv2.imread(str(sheet)).astype(int) for sheet in sheets)
    assert whole.shape == bands.shape == (1600, MAX_WIDTH, 3)
    assert abs(whole - bands).max() <= 1 and (whole[:, :, 0] != whole[:, :, 1]).any()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.tif: its pixels cannot be read at row"):
        draw_sheet([tmp_path / "tif"], tmp_path, sheets[-1], 1, None, **limit)
