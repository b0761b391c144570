"""Rounds that are corrected and joined with the data of before."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.labelled import read_converted
from mmdet_flow.dataset.split import split
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import sha256_of
from mmdet_flow.labelling.base import read_base
from mmdet_flow.labelling.corrected import Corrected
from mmdet_flow.labelling.export import Export, export
from mmdet_flow.labelling.join import join
from mmdet_flow.labelling.round import round_around
from mmdet_flow.labelling.writers import WRITERS
from tests.conftest import ROOT, command_of, run_command, the_error
from tests.dataset.voc_data import make_picture
from tests.labelling.predicted import boxed, outlined, write_predictions
from tests.test_docs_commands import commands

CLASSES = ["red cell", "no"]
BASE = {"t1.jpg": "train", "t2.jpg": "train", "v.jpg": "val", "x.jpg": "test"}
ROUND = ("n1.jpg", "n2.png", "n3.jpg")
PREDICTED = [boxed("red cell", 0.9, 5, 5, 24, 24), boxed("no", 0.4, 30, 30, 39, 39)]


def make_base(root: Path) -> Path:
    """Make a finished experiment of four images, an object each; return its folder."""
    source = root / "source"
    source.mkdir(parents=True)
    for seed, name in enumerate(BASE):
        make_picture(source / name, 100 + seed)
    coco = {
        "images": [
            {"id": n, "file_name": name, "width": 64, "height": 48, "camera": "left"}
            for n, name in enumerate(BASE, 1)
        ],
        "annotations": [
            {
                **{
                    "id": n,
                    "image_id": n,
                    "category_id": 1,
                    "bbox": [4, 4, 20.125, 30],
                },
                **{"area": 603.75, "iscrowd": 0, "by": "anna", "segmentation": []},
            }
            for n, _ in enumerate(BASE, 1)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES, 1)],
    }
    (source / "annotations.json").write_text(json.dumps(coco))
    folder = root / "results" / "cells"
    convert("coco", Source(source, source), folder / "dataset", Rules(CLASSES))
    lists = {}
    for part in ("train", "val", "test"):
        lists[part] = str(root / f"{part}.txt")
        names = [name for name, own in BASE.items() if own == part]
        Path(lists[part]).write_text("\n".join(names))
    split(
        CocoFile.read(folder / "dataset" / "annotations.json"),
        *(folder / "splits", lists, 0),
    )
    return folder


def make_round(root: Path, images=ROUND, form: str = "labelme", seed: int = 0) -> Path:
    """Predict two objects in each image, and export them; return the round."""
    predictions = write_predictions(
        root / "predicted", {name: PREDICTED for name in images}, seed=seed
    )
    export(predictions, None, root / "round", Export(form, classes=CLASSES))
    return root / "round"


def correct(path: Path) -> None:
    """Move an object, remove one and add two, as a person in labelme."""
    content = json.loads(path.read_text())
    first, second = content["shapes"]
    first["points"] = [[x + 3, y] for x, y in first["points"]]
    del first["score"]
    added = [
        second | {"points": [[0, 0], [9, 9]], "label": "red cell"},
        second | {"points": [[50, 0], [60, 9]]},
    ]
    path.write_text(json.dumps(content | {"shapes": [first, *added]}))


def join_round(
    base: Path,
    folder: Path,
    output: Path,
    annotations: Path | None = None,
    val: float = 0.0,
    form: str = "labelme",
    label_errors: Path | None = None,
    **values,
) -> CocoFile:
    place = annotations or folder / form
    corrected = Corrected(form, Source(place, place), **values)
    around = folder if folder and (folder / "predictions.json").is_file() else None
    join(read_base(base), corrected, around, output, val, label_errors)
    return CocoFile.read(output / "annotations.json")


def objects_of(coco: CocoFile) -> dict[str, list[tuple]]:
    """Return the class and box of each object, by the name of its image."""
    names = {one["id"]: one["name"] for one in coco.categories}
    images = {one["id"]: one["file_name"] for one in coco.images}
    found: dict[str, list[tuple]] = {name: [] for name in images.values()}
    for item in coco.annotations:
        place = names[item["category_id"]], *item["bbox"]
        found[images[item["image_id"]]].append(place)
    return found


def splits_of(folder: Path) -> dict[str, list[str]]:
    return {
        path.stem: path.read_text().split("\n")[:-1]
        for path in sorted((folder / "splits").glob("*.txt"))
    }


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


OLD_ONES = {name: [("red cell", 4, 4, 20.125, 30)] for name in BASE}
CORRECTED = [
    *(("red cell", 8, 5, 20, 20), ("red cell", 0, 0, 9, 9), ("no", 50, 0, 10, 9)),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """An experiment, which tests leave as it is."""
    return make_base(tmp_path_factory.mktemp("base"))


def test_what_was_corrected_joins_the_data_and_the_rest_stays_predicted(
    base, tmp_path, caplog, capsys
):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    (folder / "labelme" / "n3.json").unlink()  # nobody has begun with it
    coco = join_round(base, folder, tmp_path / "data")
    assert objects_of(coco) == {
        **{"n1.jpg": CORRECTED},
        **OLD_ONES,
    }
    assert splits_of(tmp_path / "data") == {
        **{"train": ["n1.jpg", "t1.jpg", "t2.jpg"], "val": ["v.jpg"]},
        **{"test": ["x.jpg"]},
    }
    assert (tmp_path / "data" / "pending.txt").read_text() == "n2.png\nn3.jpg\n"
    said = caplog.text
    assert "1 image (n3.jpg) of the round that is not in the annotations stays" in said
    assert "1 image (n2.png) stays predicted: nothing was changed, and --rev" in said
    assert capsys.readouterr().out == (
        "1 image: of 2 objects 1 corrected (1 moved, 0 reshaped, 0 relabelled), "
        "1 removed, 2 added\n"
    )
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["hand_work"] == 4 and report["drawn_from_nothing"] == 3
    assert report["images"]["missing"] == ["n3.jpg"]
    assert report["images"]["untouched"] == ["n2.png"]
    assert report["before_sha256"] == sha256_of(base / "dataset" / "annotations.json")
    rows = list(csv.DictReader((tmp_path / "data" / "corrections.csv").open()))
    assert [row["change"] for row in rows] == ["moved", "removed", "added", "added"]


def test_what_was_not_touched_keeps_all_that_it_says(base, tmp_path):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    coco = join_round(base, folder, tmp_path / "data")
    old = [item for item in coco.annotations if item.get("by") == "anna"]
    assert [item["area"] for item in old] == [603.75] * 4
    assert [one.get("camera") for one in coco.images] == [None, *["left"] * 4]
    new = [item for item in coco.annotations if "by" not in item]
    assert [item["area"] for item in new] == [400, 81, 90]
    assert not any("score" in item for item in coco.annotations)


def test_what_is_joined_is_a_converted_data_set_and_the_base_of_the_next(
    base, tmp_path, caplog
):
    first = make_round(tmp_path / "1")
    correct(first / "labelme" / "n1.json")
    join_round(base, first, tmp_path / "data")
    found = read_converted(tmp_path / "data")
    assert [sha256_of(one.file) for one in found.images] == [
        one.sha256 for one in found.images
    ]
    convert(
        "coco",
        Source(tmp_path / "data" / "annotations.json", tmp_path / "data" / "images"),
        tmp_path / "again",
    )
    assert "error" not in caplog.text.lower()
    lists = {
        part: str(tmp_path / "data" / "splits" / f"{part}.txt")
        for part in ("train", "val", "test")
    }
    coco = CocoFile.read(tmp_path / "again" / "annotations.json")
    split(coco, tmp_path / "splits", lists, 0)

    second = make_round(tmp_path / "2", ("m1.jpg",), seed=50)
    correct(second / "labelme" / "m1.json")
    coco = join_round(tmp_path / "data", second, tmp_path / "more")
    assert objects_of(coco)["m1.jpg"] == objects_of(coco)["n1.jpg"] == CORRECTED
    assert splits_of(tmp_path / "more")["train"] == [
        *("m1.jpg", "n1.jpg", "t1.jpg", "t2.jpg")
    ]


def test_a_second_run_gives_the_same_bytes_and_leaves_the_inputs(base, tmp_path):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    before = files_of(base), files_of(folder)
    join_round(base, folder, tmp_path / "data", val=0.5)
    written = files_of(tmp_path / "data")
    join_round(base, folder, tmp_path / "data", val=0.5)
    assert files_of(tmp_path / "data") == written
    join_round(base, folder, tmp_path / "elsewhere", val=0.5)
    assert files_of(tmp_path / "elsewhere") == written
    assert (files_of(base), files_of(folder)) == before


def test_what_was_looked_at_counts_without_a_change(base, tmp_path):
    folder = make_round(tmp_path)
    coco = join_round(base, folder, tmp_path / "data", reviewed=True)
    expected = [("red cell", 5, 5, 20, 20), ("no", 30, 30, 10, 10)]
    assert [objects_of(coco)[name] for name in ROUND] == [expected] * 3
    assert (tmp_path / "data" / "pending.txt").read_text() == ""
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["hand_work"] == 0 and report["drawn_from_nothing"] == 6


def test_what_is_submitted_in_label_studio_was_looked_at(base, tmp_path):
    folder = make_round(tmp_path, form="label-studio")
    path = folder / "label-studio" / "tasks.json"
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"] = [{"result": tasks[0]["predictions"][0]["result"]}]
    path.write_text(json.dumps(tasks))
    coco = join_round(base, folder, tmp_path / "data", form="label-studio")
    assert set(objects_of(coco)) == {*BASE, "n1.jpg"}
    assert (tmp_path / "data" / "pending.txt").read_text() == "n2.png\nn3.jpg\n"


@pytest.mark.parametrize("how", ["file", "name", "pixels"])
def test_an_image_of_the_test_split_is_never_trained_on(how, base, tmp_path, caplog):
    """Under its name, under another one, or saved anew without loss."""
    name = "x.jpg" if how == "file" else "unseen.png"
    make_picture(tmp_path / "kept.png", 7)
    predictions = write_predictions(tmp_path / "predicted", {name: PREDICTED})
    original = base / "dataset" / "images" / "x.jpg"
    if how == "pixels":
        cv2.imwrite(str(predictions / name), cv2.imread(str(original)))
    else:
        shutil.copy(original, predictions / name)
    export(predictions, None, tmp_path / "round", Export("labelme", classes=CLASSES))
    correct(tmp_path / "round" / "labelme" / f"{Path(name).stem}.json")
    coco = join_round(base, tmp_path / "round", tmp_path / "data", val=0.5)
    assert objects_of(coco) == OLD_ONES
    assert splits_of(tmp_path / "data")["test"] == ["x.jpg"]
    assert f"1 image ({name}) of the test split is in the round, and" in caplog.text
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["images"]["tested"] == [name]


def test_the_annotations_of_test_images_are_corrected_without_a_round(base, tmp_path):
    folder = tmp_path / "labelme"
    folder.mkdir()
    shutil.copy(base / "dataset" / "images" / "x.jpg", folder / "x.jpg")
    shapes = [
        {"label": "no", "shape_type": "rectangle", "points": [[4, 4], [24.125, 34]]}
    ]
    content = {"shapes": shapes, "imagePath": "x.jpg", "imageData": None}
    (folder / "x.json").write_text(json.dumps(content))
    coco = join_round(base, None, tmp_path / "data", folder)
    assert objects_of(coco)["x.jpg"] == [("no", 4, 4, 20.125, 30)]
    assert splits_of(tmp_path / "data") == splits_of(base) | {
        "test": ["x.jpg"],
    }
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["relabelled"] == {"red cell -> no": 1}


def test_an_image_that_is_labelled_already_keeps_name_and_split(base, tmp_path):
    predictions = write_predictions(tmp_path / "predicted", {"other.jpg": PREDICTED})
    shutil.copy(base / "dataset" / "images" / "v.jpg", predictions / "other.jpg")
    export(predictions, None, tmp_path / "round", Export("labelme", classes=CLASSES))
    correct(tmp_path / "round" / "labelme" / "other.json")
    coco = join_round(base, tmp_path / "round", tmp_path / "data")
    assert objects_of(coco) == OLD_ONES | {"v.jpg": CORRECTED}
    assert splits_of(tmp_path / "data")["val"] == ["v.jpg"]


def test_what_a_fraction_left_out_of_the_training_comes_back(base, tmp_path, caplog):
    """Its images are labelled: they neither get lost nor change sides."""
    caplog.set_level("INFO")
    root = shutil.copytree(base.parents[1], tmp_path / "root")
    base = root / "results/cells"
    names = {"train": ["t1.jpg", "t2.jpg"], "val": ["v.jpg"], "test": ["x.jpg"]}
    lists = {part: str(root / f"{part}.txt") for part in names}
    coco = CocoFile.read(base / "dataset" / "annotations.json")
    split(coco, base / "splits", lists, 0, train_fraction=0.5)
    kept = (base / "splits/train.txt").read_text().split()
    assert len(kept) == 1
    folder = make_round(tmp_path, images=("n1.jpg",))
    correct(folder / "labelme" / "n1.json")
    join_round(base, folder, tmp_path / "joined")
    joined = {
        part: (tmp_path / f"joined/splits/{part}.txt").read_text().split()
        for part in names
    }
    assert joined == names | {"train": ["n1.jpg", "t1.jpg", "t2.jpg"]}
    assert "1 image that splits.train_fraction left out" in caplog.text


def test_a_class_that_was_renamed_in_the_tool_is_one_line(base, tmp_path):
    folder = make_round(tmp_path)
    for path in (folder / "labelme").glob("*.json"):
        path.write_text(path.read_text().replace('"red cell"', '"erythrocyte"'))
    with pytest.raises(DataError) as error:
        join_round(base, folder, tmp_path / "data")
    assert str(error.value) == (
        "class erythrocyte, of 3 objects, is none of the classes red cell, no; if it "
        "was renamed in the tool, say --rename 'erythrocyte=red cell', if it is new, "
        "name all with --classes"
    )
    assert not (tmp_path / "data").exists()
    renamed = {"erythrocyte": "red cell"}
    coco = join_round(base, folder, tmp_path / "data", renamed=renamed, reviewed=True)
    assert coco.classes == CLASSES
    assert [one[0] for one in objects_of(coco)["n1.jpg"]] == CLASSES
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["hand_work"] == 0

    more = [*CLASSES, "erythrocyte"]
    coco = join_round(base, folder, tmp_path / "more", classes=more)
    assert coco.classes == more
    assert objects_of(coco)["n1.jpg"][0][0] == "erythrocyte"
    with pytest.raises(UsageError, match="--classes: lacks no, which the data have"):
        join_round(base, folder, tmp_path / "less", classes=["red cell"])
    with pytest.raises(UsageError, match="--rename: dog is none of the classes"):
        join_round(base, folder, tmp_path / "less", renamed={"erythrocyte": "dog"})


def test_one_image_with_two_corrections_is_one_line(base, tmp_path, caplog):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    twice = folder / "labelme" / "twice"
    twice.mkdir()
    shutil.copy(folder / "labelme" / "n1.jpg", twice / "copy.jpg")
    text = (folder / "labelme" / "n1.json").read_text()
    (twice / "copy.json").write_text(text.replace("n1.jpg", "copy.jpg"))
    coco = join_round(base, folder, tmp_path / "data")
    assert set(objects_of(coco)) == {*BASE, "n1.jpg"}
    assert "are the same image, and count once" in caplog.text
    (twice / "copy.json").write_text(
        text.replace("n1.jpg", "copy.jpg").replace("red cell", "no")
    )
    with pytest.raises(DataError, match="are the same image, with different objects"):
        join_round(base, folder, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_image_that_a_tool_saved_with_loss_is_not_taken_for_a_new_one(
    base, tmp_path
):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    path = folder / "labelme" / "n1.jpg"
    pixels = cv2.imread(str(path))
    path.unlink()
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 50])
    with pytest.raises(
        DataError, match=r"n1\.jpg: is called like an image of the data"
    ):
        join_round(base, folder, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_image_that_is_not_of_the_round_counts_as_labelled_by_hand(
    base, tmp_path, caplog
):
    folder = make_round(tmp_path, ("n1.jpg",))
    correct(folder / "labelme" / "n1.json")
    make_picture(folder / "labelme" / "own.jpg", 77)
    text = (folder / "labelme" / "n1.json").read_text()
    (folder / "labelme" / "own.json").write_text(text.replace("n1.jpg", "own.jpg"))
    coco = join_round(base, folder, tmp_path / "data")
    assert objects_of(coco)["own.jpg"] == CORRECTED
    assert "1 image (own.jpg) is not of the round: labelled by hand" in caplog.text
    report = json.loads((tmp_path / "data" / "corrections.json").read_text())
    assert report["objects"]["added"] == 2 + 3


def test_a_new_image_with_the_name_of_another_gets_one_of_its_own(base, tmp_path):
    folder = make_round(tmp_path, ("t1.png", "t1-1.jpg"))
    coco = join_round(base, folder, tmp_path / "data", reviewed=True)
    assert set(objects_of(coco)) == {*BASE, "t1-1.jpg", "t1-2.png"}
    found = {one.name: one.sha256 for one in read_converted(tmp_path / "data").images}
    assert found["t1-2.png"] == sha256_of(tmp_path / "predicted" / "t1.png")
    assert found["t1.jpg"] == sha256_of(base / "dataset" / "images" / "t1.jpg")


def test_a_new_image_has_its_split_for_ever(base, tmp_path):
    """Whatever is corrected with it, or later; about as many as asked for validate."""
    names = [f"n{number}.png" for number in range(40)]
    folder = make_round(tmp_path, names)
    text = {
        name: (folder / "labelme" / f"{Path(name).stem}.json").read_bytes()
        for name in names
    }
    for name in names[20:]:
        (folder / "labelme" / f"{Path(name).stem}.json").unlink()
    join_round(base, folder, tmp_path / "half", val=0.3, reviewed=True)
    for name in names[20:]:
        (folder / "labelme" / f"{Path(name).stem}.json").write_bytes(text[name])
    join_round(base, folder, tmp_path / "all", val=0.3, reviewed=True)
    half, whole = splits_of(tmp_path / "half"), splits_of(tmp_path / "all")
    assert set(half["val"]) < set(whole["val"]) and set(half["train"]) < set(
        whole["train"]
    )
    assert whole["test"] == ["x.jpg"]
    assert 6 <= len(whole["val"]) - 1 <= 18
    assert len(whole["train"]) + len(whole["val"]) == 3 + 40


def test_label_errors_are_ticked_off_where_somebody_looked(base, tmp_path):
    """Agreed with, looked at and kept, and not looked at; and so in the next round."""
    table = "file,suspicion,score,predicted,annotated,iou,x,y,w,h\n"
    rows = [
        "t1.jpg,swapped class?,0.9,no,red cell,0.9,4.0,4.0,20.0,30.0",
        "t1.jpg,overlooked?,0.8,no,,0.0,50.0,30.0,9.0,9.0",
        "x.jpg,overlooked?,0.7,no,,0.0,50.0,30.0,9.0,9.0",
    ]
    errors = tmp_path / "label_errors.csv"
    errors.write_text(table + "\n".join(rows) + "\n")

    def looked_at(name: str, output: str, before: Path, **values) -> list[str]:
        folder = tmp_path / f"{output}-labelme"
        folder.mkdir()
        shutil.copy(base / "dataset" / "images" / name, folder)
        shape = {"label": "no", "shape_type": "rectangle"}
        shapes = [shape | {"points": [[4, 4], [24.125, 34]]}]
        content = {"shapes": shapes, "imagePath": name, "imageData": None}
        (folder / f"{Path(name).stem}.json").write_text(json.dumps(content))
        join_round(before, None, tmp_path / output, folder, **values)
        with (tmp_path / output / "label_errors.csv").open() as stream:
            return [row["status"] for row in csv.DictReader(stream)]

    first = looked_at("t1.jpg", "1", base, label_errors=errors)
    assert first == ["corrected", "kept", "open"]
    # What was looked at before stays ticked off, and the table is found.
    assert looked_at("x.jpg", "2", tmp_path / "1") == ["corrected", "kept", "kept"]
    errors.write_text(table + rows[0].replace("4.0,4.0", "4.0,here") + "\n")
    with pytest.raises(DataError, match=r"line 2: y is 'here', not a number"):
        looked_at("t1.jpg", "3", base, label_errors=errors)


def test_images_that_training_does_not_read_become_png_as_in_a_conversion(
    base, tmp_path, caplog
):
    """And are found again, by their pixels, when they come back as they were."""
    folder = make_round(tmp_path, ("n1.tif",))
    policy = Policy({"unsupported-image": "repair"})
    options = {"policy": policy, "reviewed": True}
    coco = join_round(base, folder, tmp_path / "data", **options)
    assert set(objects_of(coco)) == {*BASE, "n1.png"}
    found = read_converted(tmp_path / "data")
    assert found.images[0].sha256 == sha256_of(found.images[0].file)
    correct(folder / "labelme" / "n1.json")
    coco = join_round(tmp_path / "data", folder, tmp_path / "more", **options)
    assert objects_of(coco)["n1.png"] == CORRECTED
    assert set(objects_of(coco)) == {*BASE, "n1.png"}


def test_outlines_are_joined_and_those_that_were_not_touched_are_known(base, tmp_path):
    parts = [(10, 5), (24, 5), (24, 20), (10, 12)], [(40, 30), (50, 35), (40, 40)]
    shapes = [*(outlined("no", 0.5, *parts), boxed("red cell", 0.4, 0, 0, 0, 9))]
    predictions = write_predictions(tmp_path / "predicted", {"n1.jpg": shapes})
    for form in sorted(WRITERS.keys() - {"label-studio"}):
        folder = tmp_path / form
        export(predictions, None, folder, Export(form, classes=CLASSES))
        join_round(base, folder, tmp_path / f"{form}-data", form=form)
        pending = (tmp_path / f"{form}-data" / "pending.txt").read_text()
        assert pending == "n1.jpg\n", form
    coco = join_round(
        base, tmp_path / "coco", tmp_path / "all", form="coco", reviewed=True
    )
    item, _ = (one for one in coco.annotations if one["image_id"] == 1)
    assert len(item["segmentation"]) == 2 and item["area"] < 16 * 17
    assert "score" not in item


def test_a_round_is_found_around_its_annotations(tmp_path, monkeypatch):
    folder = make_round(tmp_path, ("n1.jpg",))
    assert round_around(folder / "labelme") == folder
    assert round_around(tmp_path / "predicted") is None
    monkeypatch.chdir(folder / "labelme")
    assert round_around(Path("n1.json").parent) == folder


def test_the_command_joins_and_tells_bad_options_in_one_line(base, tmp_path):
    folder = make_round(tmp_path)
    correct(folder / "labelme" / "n1.json")
    words = [
        *("mmdet-flow label join", base, "--format", "labelme"),
        *("--annotations", folder / "labelme", "--images", folder / "labelme"),
        *("--output", tmp_path / "data", "--quiet", "--threads", 1),
    ]
    run = run_command(*words)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("1 image: of 2 objects 1 corrected")
    assert "stay predicted: nothing was changed" in run.stderr  # the round was found

    assert "write it as NAME=CLASS" in the_error(run_command(*words, "--rename", "x"))
    words[1] = tmp_path
    assert "is neither an experiment nor a converted data set" in the_error(
        run_command(*words)
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda at: (at / "round" / "images.csv").write_text(""), "is no table with"),
        (lambda at: (at / "round" / "predictions.json").write_text("[]"), "not a COCO"),
        (
            lambda at: (at / "round" / "labelme" / "n1.json").write_text("{"),
            "not valid JSON",
        ),
        (lambda at: (at / "base/splits/train.txt").unlink(), "give its folder with"),
        (
            lambda at: (at / "base/splits/test.txt").write_text("nobody.jpg\n"),
            "no image nobody.jpg",
        ),
        (
            lambda at: (at / "base/dataset/images/t1.jpg").unlink(),
            "t1.jpg: is not there; convert the data again",
        ),
        (
            lambda at: (at / "data" / "annotations.json").write_text("mine"),
            "was not made by mmdet-flow",
        ),
    ],
    ids=["hashes", "round", "annotation", "list", "name", "image", "output"],
)
def test_what_is_broken_is_one_line_and_nothing_is_written(
    spoil, message, base, tmp_path
):
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "data").mkdir()
    make_round(tmp_path)
    correct(tmp_path / "round" / "labelme" / "n1.json")
    spoil(tmp_path)
    before = files_of(tmp_path / "data")
    with pytest.raises(DataError, match=message) as error:
        join_round(tmp_path / "base", tmp_path / "round", tmp_path / "data")
    assert "\n" not in str(error.value)
    assert files_of(tmp_path / "data") == before


def test_the_commands_of_the_page_do_what_it_says(base, tmp_path, monkeypatch):
    """In their order, with a correction after the export."""
    shutil.copytree(base, tmp_path / "results" / "cells")
    write_predictions(tmp_path / "done", {name: PREDICTED for name in ROUND})
    (tmp_path / "new").mkdir()
    for name in ROUND:
        (tmp_path / "done" / name).rename(tmp_path / "new" / name)
    monkeypatch.chdir(tmp_path)
    found = commands((ROOT / "docs" / "loop.md").read_text())
    for command, arguments in found:
        if command == "mmdet-flow compare rounds":
            continue  # nothing was trained here
        if "..." not in arguments and len(arguments) > 1:
            words = command.removeprefix("mmdet-flow ")
            # There is no model here.
            more = ["--method", "uncertain"] if words == "label choose" else []
            assert command_of(words)([*arguments, *more]) == 0, (command, arguments)
        if command == "mmdet-flow label export":
            correct(tmp_path / "rounds" / "1" / "labelme" / "n1.json")
    assert splits_of(tmp_path / "data" / "round-1")["train"] == [
        *("n1.jpg", "t1.jpg", "t2.jpg")
    ]
    report = json.loads((tmp_path / "compared" / "difference.json").read_text())
    assert report["hand_work"] == 4 and report["images"]["both"] == 3
