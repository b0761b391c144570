"""Open Images: tables of the data set itself, Datumaro, globox and FiftyOne."""

import csv

import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage, Source
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from tests.dataset.reading import plain, read, read_all
from tests.dataset.voc_data import make_picture

FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
SIDES = ("XMin", "XMax", "YMin", "YMax")
BOXES = "train-annotations-bbox.csv"


@pytest.fixture
def folder(tmp_path):
    """Two images, scene.jpg and scene.v1.png, of 64x48 pixels."""
    for seed, name in enumerate(("scene.jpg", "scene.v1.png")):
        make_picture(tmp_path / name, seed)
    return tmp_path


def box(image="scene", label="/m/01", sides=(0.25, 0.75, 0.5, 1), **others) -> dict:
    row = {"ImageID": image, "Source": "xclick", "LabelName": label, "Confidence": 1}
    row |= dict(zip(SIDES, sides, strict=True)) | dict.fromkeys(FLAGS, 0)
    return row | others


def write(folder, *rows, name=BOXES) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_fractions_become_pixels_of_images_without_suffix(folder):
    exact = (1 / 3, 0.8, 0.1, 0.9)
    write(folder, box(), box("scene.v1", "/m/02", exact), box("scene", sides="0101"))
    found = read("open-images", folder)
    assert plain(found["scene.jpg"]) == [
        ("/m/01", (16.0, 24.0, 32.0, 24.0), ()),
        ("/m/01", (0.0, 0.0, 64.0, 48.0), ()),
    ]
    ((label, bbox, _),) = plain(found["scene.v1.png"])
    left, right, top, bottom = (
        round(value * side * 64) / 64
        for value, side in zip(exact, (64, 64, 48, 48), strict=True)
    )
    assert (label, bbox) == ("/m/02", (left, top, right - left, bottom - top))


@pytest.mark.parametrize(
    ("place", "header"),
    [
        ("class-descriptions.csv", ""),
        ("oidv7-class-descriptions-boxable.csv", "LabelName,DisplayName\n"),
        ("../metadata/classes.csv", ""),
        ("../class-descriptions-boxable.csv", ""),
    ],
)
def test_classes_have_the_names_of_their_descriptions(folder, place, header):
    write(folder, *(box(label=f"/m/0{n}") for n in range(5)), name=f"labels/{BOXES}")
    path = folder / "labels" / place
    path.parent.mkdir(exist_ok=True)
    names = '/m/00,"Cat, small"\n/m/01,Dog\n/m/02,Bat\n/m/03,Bat\n'
    path.write_text(f"{header}{names}")
    for annotations in (folder / "labels", folder / "labels" / BOXES):
        source = Source(annotations, folder)
        (one,) = FORMATS["open-images"].read(source, ImageIndex(folder))
        labels = [item.label for item in one.objects]
        assert labels == ["Cat, small", "Dog", "Bat (/m/02)", "Bat (/m/03)", "/m/04"]


def test_the_file_of_names_may_be_given(folder):
    write(folder, box(), name="boxes.csv")
    (folder / "class-descriptions.csv").write_text("/m/01,Dog\n")
    (folder / "german.csv").write_text("/m/01,Hund\n")
    source = Source(folder, folder, labels=folder / "german.csv")
    (one,) = FORMATS["open-images"].read(source, ImageIndex(folder))
    assert one.objects[0].label == "Hund"
    (folder / "german.csv").write_text("Hund\n")
    with pytest.raises(DataError, match=r"german\.csv: has no names of classes"):
        list(FORMATS["open-images"].read(source, ImageIndex(folder)))


def test_a_group_is_a_crowd_which_arrives_as_one(folder):
    groups = [box(IsGroupOf=flag) for flag in (0, 1, -1, "")]
    write(folder, *groups)
    found = read("open-images", folder)["scene.jpg"]
    assert [one.crowd for one in found] == [False, True, False, False]
    for action, crowds in (("ignore", [0, 1, 0, 0]), ("repair", [0] * 4)):
        rules, out = Rules(policy=Policy({"crowd": action})), folder.with_name(action)
        convert("open-images", Source(folder, folder), out, rules)
        coco = CocoFile.read(out / "annotations.json")
        assert [one["iscrowd"] for one in coco.annotations] == crowds


def test_listed_images_without_boxes_are_images_without_objects(folder):
    write(folder, box())
    rows = [{"ImageID": name, "Subset": "train"} for name in ("scene", "scene.v1", "x")]
    write(folder, *rows, name="train-images-with-rotation.csv")
    found = read("open-images", folder)
    assert {name: len(objects) for name, objects in found.items()} == {
        **{"scene.jpg": 1, "scene.v1.png": 0}
    }


def test_each_subset_finds_its_images(tmp_path):
    for seed, subset in enumerate(("train", "validation")):
        for number, name in enumerate(("x.jpg", "y.jpg")):
            path = tmp_path / "images" / subset / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make_picture(path, 2 * seed + number)
        sides = (0.5, 0.75 + seed / 4, 0, 1)
        name = f"annotations/oidv6-{subset}-annotations-bbox.csv"
        write(tmp_path, box("x", sides=sides), name=name)
        listed = {"ImageID": "y", "Subset": subset}
        write(tmp_path, listed, name=f"annotations/{subset}-images-with-rotation.csv")
    index = ImageIndex(tmp_path)
    found = list(FORMATS["open-images"].read(Source(tmp_path, tmp_path), index))
    assert [
        (one.image.parent.name, one.subset, [item.bbox[2] for item in one.objects])
        for one in found
    ] == [
        *(("train", "", [16.0]), ("validation", "", [32.0])),
        *(("train", "train", []), ("validation", "validation", [])),
    ]


def test_what_is_not_learned_is_left_aside(folder):
    write(folder, box(Confidence="1.0"), box(Confidence=0.7), box(Confidence=""))
    label = {"ImageID": "scene", "Source": "verification", "LabelName": "/m/01"}
    write(folder, label, label, name="train-annotations-human-imagelabels.csv")
    write(folder, {"MaskPath": "a.png"} | label, name="masks.csv")
    write(folder, {"ImageID": "scene", "LabelName1": "/m/01"}, name="relations.csv")
    (folder / "attributes.csv").write_text("/m/02,Wooden\n")
    found, problems = read_all("open-images", folder)
    assert len(found["scene.jpg"]) == 3
    assert sorted(what for _, _, what in problems) == [
        *("confidences of a model: 1", "labels of images: 2"),
        *("masks: 1", "relations: 1"),
    ]
    assert {check for check, _, _ in problems} == {"left-aside"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (box(sides=(16, 48, 12, 24)), "XMin is 16, not a fraction of the image"),
        (box(sides=("left", 1, 0, 1)), "XMin is 'left', not a number"),
        (box(sides=(0, 1, 0, "")), "YMax is '', not a number"),
        (box(sides=("nan", 1, 0, 1)), "XMin is nan"),
        (box(IsGroupOf="many"), "IsGroupOf is 'many', not 0 or 1"),
    ],
)
def test_malformed_boxes_are_findings(folder, wrong, said):
    write(folder, box(), wrong)
    found, problems = read_all("open-images", folder)
    assert len(found["scene.jpg"]) == 1
    ((check, place, what),) = problems
    assert (check, place) == ("invalid-object", "scene, box 2")
    assert said in what


def test_images_that_are_not_there_or_broken_are_findings(folder):
    (folder / "scene.jpg").write_text("no image")
    write(folder, box("scene.v2"), box(), box("scene.v1"))
    items = list(
        FORMATS["open-images"].read(Source(folder, folder), ImageIndex(folder))
    )
    lost = [one for one in items if not isinstance(one, AnnotatedImage)]
    assert [(one.check, len(one.objects)) for one in lost] == [
        *(("missing-image", 1), ("unreadable-image", 1))
    ]
    assert lost[0].what == "no image 'scene.v2'"
    assert len(items) == 3


@pytest.mark.parametrize(
    "content",
    [
        *("a,b,c\n1,2,3\n", "ImageID;LabelName;XMin\n", "ImageID\n1\n"),
        "ImageID,Subset,Label,XMin,XMax,YMin,YMax\n",
        "ImageID,LabelName,xmin,xmax,ymin,ymax\n",
    ],
)
def test_other_tables_are_broken_annotations(folder, content):
    (folder / "boxes.csv").write_text(content)
    found, problems = read_all("open-images", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
