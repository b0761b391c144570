"""Layouts of exports and data sets: found and converted whole, with their splits."""

import json
from pathlib import Path

import pytest
import yaml

from mmdet_flow.dataset.coco import CocoFile
from tests.conftest import command_of
from tests.dataset.voc_data import make_picture, voc_xml

COUNTS = {"train": 4, "valid": 2, "test": 1}
BOX = "0 0.5 0.5 0.25 0.5\n"


def coco_of(names) -> str:
    images = [
        {"id": number, "file_name": name, "width": 64, "height": 48}
        for number, name in enumerate(names)
    ]
    objects = [
        {
            **{"id": one["id"], "image_id": one["id"], "category_id": 1, "area": 384},
            **{"bbox": [24, 12, 16, 24], "segmentation": [], "iscrowd": 0},
        }
        for one in images
    ]
    categories = [
        {"id": 0, "name": "animals", "supercategory": "none"},
        {"id": 1, "name": "cat", "supercategory": "animals"},
    ]
    content = {"images": images, "categories": categories, "annotations": objects}
    return json.dumps(content)


def pictures(folder: Path, split: str, first: int) -> list[Path]:
    """Draw the pictures of a split, with the dots that exports have in names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [
        folder / f"photo_{number}_jpg.rf.{number:032x}.jpg"
        for number in range(first, first + COUNTS[split])
    ]
    for number, path in enumerate(paths, first):
        make_picture(path, number)
    return paths


def roboflow_coco(root: Path) -> None:
    for number, split in enumerate(COUNTS):
        names = [path.name for path in pictures(root / split, split, 10 * number)]
        (root / split / "_annotations.coco.json").write_text(coco_of(names))


def roboflow_voc(root: Path) -> None:
    for number, split in enumerate(COUNTS):
        for path in pictures(root / split, split, 10 * number):
            xml = voc_xml(path.name, ("cat", 24, 12, 39, 35))
            path.with_suffix(".xml").write_text(xml)


def roboflow_createml(root: Path) -> None:
    sides = {"x": 32, "y": 24, "width": 16, "height": 24}
    objects = [{"label": "cat", "coordinates": sides}]
    for number, split in enumerate(COUNTS):
        paths = pictures(root / split, split, 10 * number)
        content = [{"image": path.name, "annotations": objects} for path in paths]
        (root / split / "_annotations.createml.json").write_text(json.dumps(content))


def roboflow_yolo(root: Path) -> None:
    for number, split in enumerate(COUNTS):
        (root / split / "labels").mkdir(parents=True)
        for path in pictures(root / split / "images", split, 10 * number):
            (root / split / "labels" / f"{path.stem}.txt").write_text(BOX)
    (root / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 1\n"
        "names: ['cat']\n"
    )


def ultralytics(root: Path) -> None:
    """Write images/ and labels/, with a picture without objects that has no labels."""
    for number, split in enumerate(COUNTS):
        (root / "labels" / split).mkdir(parents=True)
        paths = pictures(root / "images" / split, split, 10 * number)
        for path in paths[split == "train" :]:
            (root / "labels" / split / f"{path.stem}.txt").write_text(BOX)
    (root / "animals.yaml").write_text(
        "path: ../datasets/animals\ntrain: images/train\nval: images/valid\n"
        "test: images/test\nnames:\n  0: cat\n"
    )


def ultralytics_lists(root: Path) -> None:
    ultralytics(root)
    for split in COUNTS:
        paths = sorted((root / "images" / split).iterdir())
        lines = "".join(f"./{path.relative_to(root)}\n" for path in paths)
        (root / f"{split}_list.txt").write_text(lines)
    (root / "animals.yaml").write_text(
        "train: train_list.txt\nval: valid_list.txt\ntest: [test_list.txt]\n"
        "names: [cat]\n"
    )


OPEN_IMAGES = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"


def open_images(root: Path) -> None:
    """Write what comes in one file from the data set itself, and what is beside it."""
    folder = root / "annotations"
    folder.mkdir(parents=True)
    (folder / "class-descriptions-boxable.csv").write_text("/m/02,cat\n/m/01,dog\n")
    for number, split in enumerate(COUNTS):
        paths = pictures(root / "images" / split, split, 10 * number)
        rows = "".join(
            f"{path.stem},xclick,/m/02,1,0.375,0.625,0.25,0.75,0\n" for path in paths
        )
        (folder / f"{split}-annotations-bbox.csv").write_text(OPEN_IMAGES + rows)
        listed = "".join(f"{path.stem},{split}\n" for path in (*paths, Path("far.jpg")))
        name = f"{split}-images-with-rotation.csv"
        (folder / name).write_text(f"ImageID,Subset\n{listed}")


def fiftyone_open_images(root: Path) -> None:
    """Write each split into a folder, with tables of what is not read."""
    for number, split in enumerate(COUNTS):
        paths = pictures(root / split / "data", split, 10 * number)
        rows = "".join(
            f"{path.stem},xclick,/m/02,1,0.375,0.625,0.25,0.75,0\n" for path in paths
        )
        for name, text in {
            "labels/detections.csv": OPEN_IMAGES + rows,
            "labels/classifications.csv": "ImageID,Source,LabelName,Confidence\n",
            "metadata/classes.csv": "/m/02,cat\n",
            "metadata/attributes.csv": "/m/07,Wooden\n",
        }.items():
            (root / split / name).parent.mkdir(exist_ok=True)
            (root / split / name).write_text(text)


@pytest.mark.parametrize(
    "make",
    [
        *(roboflow_coco, roboflow_createml, roboflow_voc, roboflow_yolo),
        *(ultralytics, ultralytics_lists, open_images, fiftyone_open_images),
    ],
)
def test_a_layout_is_found_and_converted_with_its_splits(
    tmp_path, monkeypatch, capsys, make
):
    monkeypatch.chdir(tmp_path)
    root = Path("animals")
    make(root)
    for name in ("README.dataset.txt", "README.roboflow.txt"):
        (root / name).write_text("animals\n\nProvided by a user\nLicense: CC BY 4.0\n")
    assert command_of("start init")(["--quick", root]) == 0
    said = capsys.readouterr().out
    assert "train 4, val 2, test 1" in said
    assert "left aside" not in said
    config = yaml.safe_load(Path("config.yaml").read_text())
    experiment = config["experiments"]["animals"]
    data, splits = experiment["data"], experiment["splits"]
    assert data["classes"] == ["cat"]
    words = [f"--{key}={data[key]}" for key in ("format", "annotations", "images")]
    words += [f"--{key}={data[key]}" for key in ("glob", "labels") if key in data]
    policy = [f"--policy={one}={how}" for one, how in data.get("policy", {}).items()]
    out = "--min-objects=0", "--output=out"
    assert command_of("data convert")([*words, *policy, *out]) == 0
    coco = CocoFile.read(Path("out/annotations.json"))
    assert len(coco.images) == 7
    assert all(item["bbox"] == [24, 12, 16, 24] for item in coco.annotations)
    lists = [f"--{split}={splits[split]}" for split in ("train", "val", "test")]
    made = ["out/annotations.json", "--output=splits", *lists]
    assert command_of("data split")(made) == 0
    sizes = {
        split: len(Path(f"splits/{split}.txt").read_text().splitlines())
        for split in ("train", "val", "test")
    }
    assert sizes == {"train": 4, "val": 2, "test": 1}
