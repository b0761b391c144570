import errno
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    Source,
    bbox_of_points,
)
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import FILES, convert
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.wai import convert_to_coco, find_wai_annotations
from mmdet_flow.errors import DataError, FlowError
from tests.conftest import ROOT, run_command, the_error
from tests.dataset.tool_writers import BOXES_ONLY
from tests.dataset.voc_data import make_picture, make_voc, voc_xml
from tests.dataset.writers import WRITERS, shrunk

BCCD = ROOT.parent / "shared" / "data" / "bccd"
BCCD_CLASSES = ["RBC", "WBC", "Platelets"]


@pytest.fixture
def voc(tmp_path):
    """Three images: two with cats and dogs, one without objects."""
    return make_voc(tmp_path)


def convert_voc(root, classes=None, **actions) -> CocoFile:
    rules = Rules(classes, Policy(actions))
    convert("voc", Source(root / "xml", root / "images"), root / "out", rules)
    return CocoFile.read(root / "out" / "annotations.json")


def boxes_of(folder) -> list[tuple]:
    """Return (image, class, x, y, width, height, polygon) of each object, sorted."""
    coco = CocoFile.read(folder / "annotations.json")
    names = {image["id"]: image["file_name"] for image in coco.images}
    classes = {item["id"]: item["name"] for item in coco.categories}
    return sorted(
        (
            names[item["image_id"]],
            classes[item["category_id"]],
            *map(float, item["bbox"]),
            [[float(value) for value in part] for part in item["segmentation"] or []],
        )
        for item in coco.annotations
    )


def test_voc_becomes_coco_with_nothing_lost(voc):
    coco = convert_voc(voc, ["dog", "cat"])
    assert coco.classes == ["dog", "cat"]
    assert coco.info["classes_sha256"] == classes_sha256(["dog", "cat"])
    assert [image["file_name"] for image in coco.images] == [
        "a.jpg",
        "b [1].jpg",
        "c.jpg",
    ]
    assert [item["bbox"] for item in coco.annotations] == [
        [1, 1, 20, 20],
        [5, 5, 26, 36],
        [10, 10, 1, 1],
    ]
    assert [item["category_id"] for item in coco.annotations] == [1, 2, 2]
    for image in coco.images:
        copied = voc / "out" / "images" / image["file_name"]
        original = voc / "images" / image["file_name"]
        assert copied.read_bytes() == original.read_bytes()


def test_images_are_found_whatever_the_folder_says(voc):
    for folder in ("RBC", "", "../elsewhere", "/absolute"):
        xml = voc_xml("a.jpg", ("dog", 1, 1, 9, 9), ("cat", 2, 2, 9, 9), folder=folder)
        (voc / "xml" / "a.xml").write_text(xml)
        assert len(convert_voc(voc).annotations) == 3


def test_polygons_of_opex_arrive_exactly(dataset):
    coco = dataset.coco
    names = {image["id"]: image["file_name"] for image in coco.images}
    for path in dataset.source.glob("*.json"):
        expected = [
            [value for point in item["polygon"]["points"] for value in point]
            for item in json.loads(path.read_text())["objects"]
        ]
        found = [
            item["segmentation"][0]
            for item in coco.annotations
            if names[item["image_id"]] == path.with_suffix(".jpg").name
        ]
        assert found == expected


def wai_convert(source_command, files, *target, cwd) -> None:
    """Convert with wai.annotations itself, as users do by hand today."""
    (cwd / "list.txt").write_text("".join(f"{path}\n" for path in files))
    command = [find_wai_annotations(), "convert", *source_command, "-I", "list.txt"]
    environment = os.environ | {"XDG_CONFIG_HOME": str(cwd), "PYTHONUTF8": "1"}
    run = subprocess.run(
        [*command, *target], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


TARGETS = {
    "adams": ("to-adams-od", "-o", "adams"),
    "coco": ("to-coco-od", "-o", "coco/annotations.json"),
    "opex": ("to-opex-od", "-o", "opex"),
    "roi": ("to-roi-od", "-o", "roi"),
    "vgg": ("to-vgg-od", "-o", "vgg/annotations.json"),
    "yolo": ("to-yolo-od", "-o", "yolo", "-l", "yolo/labels.txt"),
}
"""How wai.annotations writes each format."""


def convert_from(format_name, folder, output, classes=None) -> None:
    annotations = folder / "labels" if format_name == "yolo" else folder
    rules = Rules(classes, Policy({"no-annotation": "repair"}))
    convert(format_name, Source(annotations, folder), output, rules, threads=2)


@pytest.mark.parametrize("format_name", TARGETS)
def test_each_format_brings_the_same_boxes_and_polygons(dataset, format_name, tmp_path):
    (tmp_path / format_name).mkdir()
    files = sorted(dataset.source.glob("*.json"))
    wai_convert(["from-opex-od"], files, *TARGETS[format_name], cwd=tmp_path)
    convert_from(format_name, tmp_path / format_name, tmp_path / "out")
    expected = boxes_of(dataset.folder)
    if format_name == "yolo":  # it has boxes or polygons, and boxes are its default
        expected = [(*item[:6], []) for item in expected]
    if format_name == "vgg":  # it has outlines without boxes
        expected = [
            (*item[:2], *bbox_of_points(item[6][0]), item[6]) for item in expected
        ]
    assert boxes_of(tmp_path / "out") == expected


@pytest.fixture(scope="session")
def blood_cells():
    """The photographs of BCCD with their boxes, as they were counted by hand."""
    if not BCCD.is_dir():
        pytest.skip("the photographs are not here")
    source = Source(BCCD / "Annotations", BCCD / "JPEGImages")
    found = list(FORMATS["voc"].read(source, ImageIndex(source.images)))
    counts = Counter(item.label for one in found for item in one.objects)
    assert len(found) == 364
    assert counts == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 21])
@pytest.mark.parametrize("format_name", WRITERS)
def test_blood_cells_come_through_each_format(
    blood_cells, format_name, steps, tmp_path
):
    truth = [shrunk(one, steps) for one in blood_cells]
    source = Source(tmp_path / "written", BCCD / "JPEGImages")
    source.annotations.mkdir()
    WRITERS[format_name](truth, source.annotations)
    convert(format_name, source, tmp_path / "out", Rules(BCCD_CLASSES), threads=2)
    expected = [
        (one.image.name, item.label, *item.bbox, [])
        for one in truth
        for item in one.objects
    ]
    assert len(expected) == 4888
    assert boxes_of(tmp_path / "out") == sorted(expected)


@pytest.mark.parametrize("format_name", WRITERS)
def test_fractions_come_through_each_format(format_name, tmp_path):
    outline = (3.25, 4.0, 17.515625, 4.5, 16.984375, 21.75)
    box = (3.25, 4.0, 14.265625, 17.75)
    objects = (
        AnnotatedObject("cat", (1.25, 2.5, 30.015625, 20.984375)),
        AnnotatedObject("dog", (0.0, 0.0, 64.0, 48.0)),
        AnnotatedObject("cat", (63.984375, 47.984375, 0.015625, 0.015625)),
    )
    if format_name not in (*BOXES_ONLY, "voc"):
        objects += (AnnotatedObject("dog", box, "", (outline,)),)
    make_picture(tmp_path / "a.png", 1)
    image = AnnotatedImage(tmp_path, tmp_path / "a.png", None, objects)
    WRITERS[format_name]([image], tmp_path)
    convert(format_name, Source(tmp_path, tmp_path), tmp_path.with_name("out"))
    assert boxes_of(tmp_path.with_name("out")) == sorted(
        ("a.png", item.label, *item.bbox, list(map(list, item.polygons)))
        for item in objects
    )


def test_boxes_of_yolo_are_at_the_edge_in_six_digits(tmp_path):
    make_picture(tmp_path / "a.png", 1, size=(641, 487))
    edges = [(0.0, 0.0, 641.0, 487.0), (600.0, 450.0, 41.0, 37.0), (0.0, 0.0, 1.0, 1.0)]
    objects = tuple(AnnotatedObject("cat", box) for box in edges)
    WRITERS["yolo"](
        [AnnotatedImage(tmp_path, tmp_path / "a.png", None, objects)], tmp_path
    )
    convert("yolo", Source(tmp_path, tmp_path), tmp_path.with_name("out"))
    assert [one[2:6] for one in boxes_of(tmp_path.with_name("out"))] == sorted(edges)
    report = json.loads((tmp_path.with_name("out") / "report.json").read_text())
    assert "crosses-edge" not in {row["check"] for row in report["findings"]}


def test_parts_and_masks_of_an_object_come_back_together(tmp_path):
    parts = ((1.0, 1.0, 9.5, 1.0, 9.5, 9.0), (20.0, 5.0, 30.0, 5.0, 30.0, 9.25))
    mask = {"counts": [48, 40, 48 * 64 - 88], "size": [48, 64]}
    objects = (
        AnnotatedObject("cat", (1.0, 1.0, 29.0, 8.25), "", parts),
        AnnotatedObject("dog", (1.0, 0.0, 1.0, 40.0), "", (), mask),
        AnnotatedObject("cat", (5.0, 5.0, 5.0, 5.0)),
    )
    images = [
        AnnotatedImage(tmp_path, tmp_path / f"{name}.png", None, found)
        for name, found in (("a", objects), ("b", ()), ("c", objects[:2]))
    ]
    a, b, c = convert_to_coco(images, ["cat", "dog"], tmp_path, threads=1)
    assert [index for index, _ in a] == [0, 1, 0] and not b and len(c) == 2
    assert [item["segmentation"] for _, item in a] == [list(map(list, parts)), mask, []]
    assert [item["bbox"] for _, item in a] == [list(item.bbox) for item in objects]
    assert [item["area"] for _, item in a] == [34 + 21.25, 40, 25]


def test_the_class_list_of_a_converted_data_set_is_kept(voc):
    """Its order, and what no object is left of; of other COCO files all, by name."""
    source = Source(voc / "xml", voc / "images")
    convert("voc", source, voc / "first", Rules(["no", "bird", "dog", "cat"]))
    first = voc / "first"
    convert("coco", Source(first / "annotations.json", first / "images"), voc / "again")
    for name in ("classes.txt", "annotations.json"):
        assert (voc / "again" / name).read_bytes() == (first / name).read_bytes()
    content = json.loads((first / "annotations.json").read_text())
    del content["info"]["classes_sha256"]
    (voc / "coco.json").write_text(json.dumps(content))
    convert("coco", Source(voc / "coco.json", first / "images"), voc / "other")
    assert (voc / "other" / "classes.txt").read_text() == "cat\ndog\n"


def test_coco_passes_through_untouched(voc):
    rle = {"counts": [0, 40, 3032], "size": [48, 64]}
    segmentations = [rle, [[1, 1, 5, 1, 5, 5], [9, 9, 12, 9, 12, 12]], []]
    content = {
        "images": [
            {"id": 7, "file_name": "sub/a.jpg", "width": 64, "height": 48, "tag": "x"},
            {"id": 3, "file_name": "c.jpg", "width": 64, "height": 48},
        ],
        "categories": [{"id": 90, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": [
            {
                "id": number,
                "image_id": 7,
                "category_id": 90,
                "bbox": [1.25, 2.5, 10.75, 11.5],
                "area": 99.5,
                "iscrowd": int(number == 1),
                "segmentation": segmentation,
                "attributes": {"old": True},
            }
            for number, segmentation in enumerate(segmentations, 1)
        ],
    }
    (voc / "coco.json").write_text(json.dumps(content))
    source = Source(voc / "coco.json", voc / "images")
    convert("coco", source, voc / "out", Rules(["cat", "dog"]))
    coco = CocoFile.read(voc / "out" / "annotations.json")
    assert [image["file_name"] for image in coco.images] == ["a.jpg", "c.jpg"]
    assert coco.images[0]["tag"] == "x"
    for item, original in zip(coco.annotations, content["annotations"], strict=True):
        ids = {"id": item["id"], "image_id": 1, "category_id": 2}
        assert item == original | ids


@pytest.mark.parametrize(
    ("policy", "was", "becomes"),
    [
        (
            {"short-polygon": "repair"},
            {"bbox": [1, 1, 4, 4], "segmentation": [[1, 1, 4, 4]]},
            {"segmentation": [], "area": 16},
        ),
        (
            {"short-polygon": "repair"},
            {
                "bbox": [1, 1, 9, 9],
                "segmentation": [[1, 1, 4, 4], [2, 2, 9, 2, 9, 9], [3, 3, 9, 3, 9, 9]],
            },
            {
                "segmentation": [[2, 2, 9, 2, 9, 9], [3, 3, 9, 3, 9, 9]],
                "area": 42.5,
            },
        ),
        (
            {"short-polygon": "repair"},
            {"bbox": [1, 1, 4, 4], "segmentation": [[1, 1, 4, 4], [1, 1]]},
            {"segmentation": [], "area": 16},
        ),
        (
            {"crosses-edge": "repair"},
            {"bbox": [60, 40, 9, 8]},
            {"bbox": [60, 40, 4, 8], "area": 32},
        ),
        (
            {"crosses-edge": "repair"},
            {"bbox": [60, 40, 9, 8], "segmentation": [[60, 40, 68, 40, 68, 47]]},
            {
                "bbox": [60, 40, 4, 8],
                "segmentation": [[60, 40, 64, 43.5, 64, 40]],
                "area": 7,
            },
        ),
        (
            {"crosses-edge": "repair"},
            {"bbox": [60, 40, 9, 8], "segmentation": [[60.5, 40, 66.5, 40, 66.5, 46]]},
            {
                "bbox": [60, 40, 4, 8],
                "segmentation": [[60.5, 40, 64, 43.5, 64, 40]],
                "area": 6.125,
            },
        ),
    ],
)
def test_what_is_repaired_of_coco_arrives(voc, policy, was, becomes):
    annotation = {"id": 1, "image_id": 7, "category_id": 1, "area": 99.5, "iscrowd": 0}
    annotation["segmentation"] = []
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [annotation | was],
    }
    (voc / "coco.json").write_text(json.dumps(content))
    source = Source(voc / "coco.json", voc / "images")
    convert("coco", source, voc / "out", Rules(policy=Policy(policy)))
    found = CocoFile.read(voc / "out" / "annotations.json").annotations
    assert found == [annotation | was | becomes | {"image_id": 1}]


@pytest.mark.parametrize(
    ("action", "name", "bbox"),
    [("ignore", "a.jpg", [135, 340, 30, 40]), ("repair", "a.png", [180, 255, 40, 30])],
)
def test_fractions_of_a_rotated_yolo_image(tmp_path, action, name, bbox):
    data = tmp_path / "data"
    data.mkdir()
    with Image.new("RGB", (400, 300)) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(data / "a.jpg", exif=exif)
    (data / "a.txt").write_text("0 0.5 0.9 0.1 0.1\n")
    rules = Rules(policy=Policy({"rotated-image": action}))
    convert("yolo", Source(data, data), tmp_path / "out", rules)
    coco = CocoFile.read(tmp_path / "out" / "annotations.json")
    assert coco.images[0]["file_name"] == name
    assert coco.annotations[0]["bbox"] == bbox


def test_same_input_same_bytes_and_no_rewrite(voc):
    convert_voc(voc)
    written = voc / "out" / "annotations.json"
    before = written.stat().st_mtime_ns
    content = written.read_bytes()
    convert_voc(voc)
    assert written.stat().st_mtime_ns == before
    shutil.rmtree(voc / "out")
    convert_voc(voc)
    assert written.read_bytes() == content
    assert str(voc).encode() not in content


def test_a_removed_image_leaves_the_output(voc):
    convert_voc(voc)
    for path in (voc / "xml" / "c.xml", voc / "images" / "c.jpg"):
        path.unlink()
    convert_voc(voc)
    linked = {path.name for path in (voc / "out" / "images").iterdir()}
    assert linked == {"a.jpg", "b [1].jpg"}


def test_names_that_wai_annotations_trips_over(tmp_path):
    names = ("#1", "[x]", "ä, b", "-o", "two\nlines")
    labels = ("rename", "a,b", "-x", "sample", "é")
    objects = {
        name: [(label, 1, 2, 30, 31)] for name, label in zip(names, labels, strict=True)
    }
    coco = convert_voc(make_voc(tmp_path / "data", objects))
    assert coco.classes == sorted(labels)
    assert len(coco.images) == len(coco.annotations) == len(names)


def test_nothing_is_written_when_something_would_be_lost(voc):
    (voc / "images" / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"a\.xml: no image 'a\.jpg'"):
        convert_voc(voc)
    assert not (voc / "out").exists()


def test_all_errors_are_logged_before_the_line_that_says_how_many(voc, caplog):
    for path in (voc / "xml").glob("*.xml"):
        path.unlink()
    names = [f"gone-{number}" for number in range(12)]
    text = "<annotation><filename>{}.jpg</filename></annotation>"
    for name in names:
        (voc / "xml" / f"{name}.xml").write_text(text.format(name))
    with pytest.raises(DataError, match=r"gone-0.*\(the first of \d+ errors\)$"):
        convert_voc(voc)
    logged = "\n".join(one.getMessage() for one in caplog.records)
    assert [name for name in names if f"{name}.xml" not in logged] == []


def test_unknown_class_names_the_nearest(voc):
    run = run_command(
        *("mmdet-flow data convert", "--format=voc", f"--annotations={voc / 'xml'}"),
        *(f"--images={voc / 'images'}", f"--output={voc / 'out'}"),
        *("--classes", "dog", "Cat"),
    )
    assert run.returncode == 3
    assert "did you mean Cat" in the_error(run)


def test_missing_folder(tmp_path):
    source = Source(tmp_path / "nowhere", tmp_path / "images")
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        convert("voc", source, tmp_path / "out")


def test_a_folder_of_others_is_refused_and_stays(voc):
    from mmdet_flow.errors import UsageError

    before = {path: path.read_bytes() for path in voc.rglob("*") if path.is_file()}
    for output in (voc, voc / "images", voc / "xml" / "out"):
        with pytest.raises(UsageError, match="apart from it"):
            convert("voc", Source(voc / "xml", voc / "images"), output)
    (voc / "out" / "images").mkdir(parents=True)
    (voc / "out" / "images" / "a.jpg").write_text("of another")
    with pytest.raises(DataError, match="did not put there"):
        convert_voc(voc)
    assert (voc / "out" / "images" / "a.jpg").read_text() == "of another"
    (voc / "out" / "images" / "a.jpg").rename(voc / "out" / "images" / "z.jpg")
    convert_voc(voc)
    assert (voc / "out" / "images" / "z.jpg").read_text() == "of another"
    assert all(path.read_bytes() == content for path, content in before.items())


@pytest.mark.parametrize("name", [*FILES, "a.jpg"])
def test_what_ends_in_the_middle_goes_on(voc, name, monkeypatch):
    """Whichever file finds the disk full, on one that allows no links."""
    replace, copy = os.replace, shutil.copyfile

    def no_links(*_):
        raise OSError(errno.EXDEV, "another disk")

    def full_at_the_end(source, target):
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "no space left")
        replace(source, target)

    def full_in_the_middle(source, target):
        if name in Path(target).name:
            Path(target).write_bytes(Path(source).read_bytes()[:100])
            raise OSError(errno.ENOSPC, "no space left")
        copy(source, target)

    monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as disk:
        disk.setattr(os, "replace", full_at_the_end)
        disk.setattr(shutil, "copyfile", full_in_the_middle)
        with pytest.raises((OSError, FlowError)):
            convert_voc(voc)
    assert not list((voc / "out").rglob(name))
    convert_voc(voc)
    images = {path.name: path.read_bytes() for path in (voc / "images").iterdir()}
    found = (voc / "out" / "images").iterdir()
    assert {path.name: path.read_bytes() for path in found} == images
    assert all((voc / "out" / each).is_file() for each in FILES)


def test_wai_annotations_reads_our_annotations(dataset, tmp_path):
    """So does image-dataset-converter, which asks for a licence of each image."""
    folder = tmp_path / "data"
    folder.mkdir()
    for file in (dataset.folder / "annotations.json", *dataset.images.iterdir()):
        shutil.copy(file, folder)
    content = json.loads((folder / "annotations.json").read_text())
    licences = {one["id"] for one in content["licenses"] if one.keys() == LICENCE}
    assert {image["license"] for image in content["images"]} == licences
    target = ("to-opex-od", "-o", "opex")
    wai_convert(["from-coco-od"], [folder / "annotations.json"], *target, cwd=tmp_path)
    found = {
        path.stem: len(json.loads(path.read_text())["objects"])
        for path in (tmp_path / "opex").glob("*.json")
    }
    names = {image["id"]: image["file_name"] for image in dataset.coco.images}
    counts = Counter(names[item["image_id"]] for item in dataset.coco.annotations)
    assert found == {Path(name).stem: count for name, count in counts.items()}


LICENCE = {"id", "name", "url"}
