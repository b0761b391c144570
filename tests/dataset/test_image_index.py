"""Annotations and lists name images in many ways; each finds its own or none."""

import json
import unicodedata
from pathlib import Path

import pytest

from mmdet_flow.dataset.annotations import Problem, Source
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.split import split
from mmdet_flow.errors import DataError
from tests.dataset.voc_data import make_picture, voc_xml

DECOMPOSED = unicodedata.normalize("NFD", "Zürich")
COMPOSED = unicodedata.normalize("NFC", "Zürich")


def index_of(root: Path, *names: str) -> ImageIndex:
    for name in names:
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return ImageIndex(root / "images")


@pytest.mark.parametrize(
    ("names", "stated", "found"),
    [
        (["scene0.png", "scene0.v1.png"], "scene0.v1", "scene0.v1.png"),
        (["scene0.png", "scene0.v1.png"], "scene0", "scene0.png"),
        (["scene0.png"], "scene0.v1", None),
        (["a.2020.01.png", "a.2020.02.png", "a.png"], "a.2020.02", "a.2020.02.png"),
        (["a_jpg.rf.0f.jpg", "a_jpg.rf.1e.jpg"], "a_jpg.rf.1e", "a_jpg.rf.1e.jpg"),
        (["a.jpg"], "a.JPG", "a.jpg"),
        (["a.b.JPEG"], "a.b.jpeg", "a.b.JPEG"),
        (["a.JPG", "a.jpg"], "a.jpg", "a.jpg"),
        (["a.JPG", "a.jpg"], "a.Jpg", "ambiguous-image"),
        (["a.png"], "a.tif", "a.png"),
        (["a.jpg.png", "a.png"], "a.jpg", "a.jpg.png"),
        (["a.png"], "a.xyz", None),
        (["a.png"], r"C:\photos\a.png", "a.png"),
        (["a.png"], " /photos/a.png\n", "a.png"),
        ([f"{DECOMPOSED}.1.png"], f"{COMPOSED}.1", f"{DECOMPOSED}.1.png"),
        ([f"{COMPOSED}.png"], f"{DECOMPOSED}.PNG", f"{COMPOSED}.png"),
        (["photo 1.jpg"], "photo%201.jpg", "photo 1.jpg"),
        (["photo%201.jpg"], "photo 1.jpg", "photo%201.jpg"),
        (["photo 1.jpg", "photo%201.jpg"], "photo%201.jpg", "photo%201.jpg"),
        (["b.png"], "set%2Fb.png", "b.png"),
        (["100%.png"], "100%", "100%.png"),
        (["a.png"], "", None),
    ],
)
def test_a_name_finds_its_image(tmp_path, names, stated, found):
    image = index_of(tmp_path, *names).find(tmp_path / "annotation", stated)
    if isinstance(image, Problem):
        assert image.check == (found or "missing-image")
    else:
        assert image.name == found


@pytest.mark.parametrize(
    ("annotation", "stated", "found"),
    [
        ("images/train/labels/1.txt", "1", "train/photos/1.png"),
        ("images/val/labels/1.txt", "1", "val/photos/1.png"),
        ("xml/val/photos/1.xml", "1", "val/photos/1.png"),
        ("all.json", "val/photos/1.png", "val/photos/1.png"),
        ("all.json", "https://server/data/train/photos/1.png", "train/photos/1.png"),
        ("all.json", "photos/1.png", None),
        ("all.json", "1.png", None),
        # Beside the one, and in folders called like those of the other.
        ("images/val/train/photos/1.xml", "1.png", None),
    ],
)
def test_folders_tell_images_of_one_name_apart(tmp_path, annotation, stated, found):
    index = index_of(tmp_path, "train/photos/1.png", "val/photos/1.png")
    image = index.find(tmp_path / annotation, stated)
    if found:
        assert image == tmp_path / "images" / found
    else:
        assert image.check == "ambiguous-image"


def test_the_image_in_the_folder_of_its_annotation_is_nearer_than_those_below(tmp_path):
    index = index_of(tmp_path, "1.png", "old/1.png")
    assert index.find(tmp_path / "images/1.txt", "1") == tmp_path / "images/1.png"


def test_an_image_of_a_kind_that_is_not_read_is_no_missing_one(tmp_path):
    index = index_of(tmp_path, "a.heic", "b.png")
    problem = index.find(tmp_path / "a.xml", "a")
    assert problem.check == "missing-image"
    assert problem.what == "no image 'a'; a.heic is there, and such files are not read"
    assert [path.name for path in index.unread] == ["a.heic"]


def annotate_voc(path: Path, stated: str) -> None:
    path.with_suffix(".xml").write_text(voc_xml(stated, ("cat", 1, 1, 9, 9)))


def annotate_roi(path: Path, stated: str) -> None:
    row = f"file,x0,y0,x1,y1,label_str\n{stated},1,1,9,9,cat\n"
    Path(f"{path}-rois.csv").write_text(row)


@pytest.mark.parametrize(
    ("name", "annotate"), [("voc", annotate_voc), ("roi", annotate_roi)]
)
@pytest.mark.parametrize(
    ("own", "stated", "found"),
    [
        ("a", "a.png", "a.png"),
        ("a", "b.png", "ambiguous-image"),
        ("a", "c.png", "a.png"),
        ("x", "b.png", "b.png"),
        ("x", "y.png", "missing-image"),
        ("c.v1", "c.v2.png", "ambiguous-image"),
    ],
)
def test_a_stated_name_and_that_of_the_file(
    tmp_path, name, annotate, own, stated, found
):
    index = index_of(tmp_path, "a.png", "b.png", "c.v1.png", "c.v2.png")
    annotate(tmp_path / own, stated)
    if name == "voc":
        (tmp_path / own).with_suffix(".xml").rename(tmp_path / f"{own}.xml")
    source = Source(tmp_path, tmp_path / "images")
    (item,) = FORMATS[name].read(source, index)
    assert found == (item.check if isinstance(item, Problem) else item.image.name)


def text_of(name: str) -> str:
    if name == "yolo":
        return "0 0.5 0.5 0.2 0.2\n"
    box = {"left": 1, "top": 1, "right": 9, "bottom": 9}
    item = {"label": "cat", "bbox": box, "polygon": {"points": []}}
    report = "Object.1.x=1\nObject.1.y=1\nObject.1.width=9\nObject.1.height=9\n"
    return {"opex": json.dumps({"objects": [item]}), "adams": report}[name]


@pytest.mark.parametrize(
    ("name", "suffix"), [("yolo", ".txt"), ("opex", ".json"), ("adams", ".report")]
)
def test_each_format_takes_the_whole_name_of_its_file(tmp_path, name, suffix):
    """Also with the suffix of the image, and for no image of a shorter name."""
    index = index_of(tmp_path)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(("s.png", "s.v1.png", "s.v2.jpg", "t.png")):
        make_picture(tmp_path / "images" / image, number)
    for stem in ("s.v1", "s.v2.jpg", "t.v1"):
        (tmp_path / f"{stem}{suffix}").write_text(text_of(name))
    index = ImageIndex(tmp_path / "images")
    items = list(FORMATS[name].read(Source(tmp_path, tmp_path / "images"), index))
    found = {
        item.file.name if isinstance(item, Problem) else item.annotation.name: (
            item.check if isinstance(item, Problem) else item.image.name
        )
        for item in items
    }
    assert found == {
        f"s.v1{suffix}": "s.v1.png",
        f"s.v2.jpg{suffix}": "s.v2.jpg",
        f"t.v1{suffix}": "missing-image",
    }


def split_by_lists(root: Path, names: list[str], **lists: str) -> dict[str, list[str]]:
    images = [
        {"id": number, "file_name": name, "width": 9, "height": 9}
        for number, name in enumerate(names)
    ]
    for name, text in lists.items():
        (root / f"{name}.txt").write_bytes(text.encode())
    wanted = {name: str(root / f"{name}.txt") for name in lists}
    split(CocoFile(root / "coco.json", images, [], []), root / "out", wanted, 0)
    return {
        name: (root / "out" / f"{name}.txt").read_text().splitlines() for name in lists
    }


def test_lists_name_images_in_the_same_ways(tmp_path):
    names = ["s.png", "s.v1.png", f"{DECOMPOSED}.jpg", "1.png", "val_1.png", "b c.png"]
    found = split_by_lists(
        tmp_path,
        names,
        train=f"\ufeffs.v1\r\n{COMPOSED}.JPG\r\n",
        val="./images/val/photos/1.png\ns\n",
        test=r"C:\data\images\train\photos\1.png" + "\nb%20c.png\n",
    )
    assert found == {
        "train": sorted(["s.v1.png", f"{DECOMPOSED}.jpg"]),
        "val": ["s.png", "val_1.png"],
        "test": ["1.png", "b c.png"],
    }


def test_a_list_that_names_no_image_is_not_taken_for_a_shorter_name(tmp_path):
    with pytest.raises(DataError, match=r"test\.txt, line 1: no image s\.v2"):
        split_by_lists(
            tmp_path, ["s.png", "t.png", "u.png"], train="t", val="u", test="s.v2"
        )
