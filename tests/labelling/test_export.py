"""Predictions in the formats of tools, as our own readers find them there."""

import csv
import json
import os
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mmdet_flow.dataset.annotations import Source, bbox_of_points
from mmdet_flow.dataset.check import Rules, check
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.predictions import read_predictions
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import only_writer, sha256_of
from mmdet_flow.inference.scores import Scores
from mmdet_flow.labelling.export import Export, export
from mmdet_flow.labelling.writers import WRITERS
from tests.conftest import assert_valid_opex, run_command, the_error
from tests.dataset.reading import read, read_all
from tests.labelling.predicted import (
    BOXES,
    CLASSES,
    OUTLINES,
    boxed,
    write_predictions,
)

OUTLINED = sorted(name for name, writer in WRITERS.items() if writer.outlines)


def accept(file) -> None:
    """Make annotations of the predictions of Label Studio, as its users do."""
    tasks = json.loads(file.read_text())
    for task in tasks:
        (prediction,) = task.pop("predictions")
        task["annotations"] = [{"result": prediction["result"]}]
    file.write_text(json.dumps(tasks))


def exported(form: str, objects: dict, root, **options):
    """Write predictions and export them; return the folder of the format."""
    predictions = write_predictions(root / "predicted", objects)
    how = Export(form, **{"classes": CLASSES} | options)
    export(predictions, None, root / "round", how)
    return root / "round" / form


def read_back(form: str, folder) -> dict:
    if form == "label-studio":
        what = "it has no annotated tasks of Label Studio"  # yet
        assert read_all(form, folder)[1] == [("broken-annotation", "", what)]
        accept(folder / "tasks.json")
    return read(form, folder)


def boxes_of(objects: dict) -> dict[str, list]:
    """Return the class and the x, y, width, height of predicted or read objects."""
    return {
        name: [
            (item.label, item.bbox)
            if hasattr(item, "polygons")
            else (item.name, (*item.bbox[:2], *_sides(*item.bbox)))
            for item in items
        ]
        for name, items in objects.items()
    }


def _sides(left, top, right, bottom) -> tuple[int, int]:
    return right - left + 1, bottom - top + 1


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_boxes_are_read_back_as_they_were_predicted(form, tmp_path):
    found = read_back(form, exported(form, BOXES, tmp_path))
    assert boxes_of(found) == boxes_of(BOXES)
    outlines = [one.polygons for items in found.values() for one in items]
    assert any(outlines) == (form == "opex")  # which has the corners of each box, too


@pytest.mark.parametrize("edges", ["exclusive", "inclusive-from-1", "exclusive-from-1"])
def test_corners_of_voc_follow_the_rule_of_its_program(edges, tmp_path):
    folder = exported("voc", BOXES, tmp_path, edges=edges)
    source = Source(folder, folder, edges=edges)
    checked = check(FORMATS["voc"], source, Rules(CLASSES))
    found = {one.name: one.source.objects for one in checked.images}
    assert boxes_of(found) == boxes_of(BOXES)


EDGES = (
    (
        *(5, 21, 5.8125, 21, 9.546875, 13.515625, 14.21875, 21, 15, 21),
        *(15, 5, 5, 5),
    ),
    (20, 26, 41, 26, 41, 5, 20, 5),
    (
        *(50, 41, 50.625, 41, 61, 35.8125, 61, 35.1875, 50.625, 30),
        *(50, 30),
    ),
)
"""The three outlines of ``OUTLINES``, along the edges of the pixels: to 1/64 pixel."""

JOINED = (*EDGES[1], *EDGES[1][:2], *EDGES[2], *EDGES[2][:2])
"""Two parts in one outline: there and back to where the first begins."""


@pytest.mark.parametrize("form", OUTLINED)
def test_outlines_are_read_back_along_the_edges_of_their_pixels(form, tmp_path):
    found = read_back(form, exported(form, OUTLINES, tmp_path))
    assert boxes_of(found) == boxes_of(OUTLINES)
    one, two, box = (item.polygons for item in found["a.jpg"])
    writer = WRITERS[form]
    if writer.whole:
        assert one[0] == (5, 5, 14, 5, 14, 20, 9, 12, 5, 20)  # as in OPEX
        assert [bbox_of_points(part) for part in two[:1]] == [
            (20, 5, 20, 20) if writer.parts else (20, 5, 40, 35)
        ]
    else:
        assert one == EDGES[:1]
        assert two == (EDGES[1:] if writer.parts else (JOINED,))
    if form in ("yolo", "opex"):  # all lines of YOLO are outlines, then
        assert [bbox_of_points(part) for part in box] == [
            (1, 40, 8 - writer.whole, 8 - writer.whole)
        ]
    else:
        assert box == ()


@pytest.mark.parametrize("form", OUTLINED)
def test_outlines_and_boxes_can_be_told_to_be_alike(form, tmp_path):
    for shapes in ("boxes", "outlines"):
        root = tmp_path / shapes
        found = read_back(form, exported(form, OUTLINES, root, shapes=shapes))
        assert boxes_of(found) == boxes_of(OUTLINES)
        outlines = [item.polygons for item in found["a.jpg"]]
        if form != "opex":
            assert list(map(bool, outlines)) == [shapes == "outlines"] * 3


def test_the_parts_of_one_outline_are_found_again_by_a_repair(tmp_path):
    folder = exported("yolo", OUTLINES, tmp_path)
    policy = Policy({"crossed-polygon": "repair"})
    checked = check(FORMATS["yolo"], Source(folder, folder), Rules(CLASSES, policy))
    parts = checked.images[0].source.objects[1].polygons
    assert sorted(map(sorted_points, parts)) == sorted(map(sorted_points, EDGES[1:]))


def sorted_points(outline) -> list[tuple]:
    return sorted(zip(outline[::2], outline[1::2], strict=True))


SCORES = {
    "adams": lambda folder: [
        line.partition("=")[2]
        for line in (folder / "a.report").read_text().splitlines()
        if "score=" in line
    ],
    "coco": lambda folder: [
        item["score"]
        for item in json.loads((folder / "annotations.json").read_text())["annotations"]
    ],
    "cvat": lambda folder: [
        one.text
        for one in ElementTree.parse(folder / "annotations.xml").iterfind(
            "image[@name='a.jpg']/box/attribute[@name='score']"
        )
    ],
    "label-studio": lambda folder: [
        region["score"]
        for region in json.loads((folder / "tasks.json").read_text())[0]["predictions"][
            0
        ]["result"]
    ],
    "labelme": lambda folder: [
        one["score"] for one in json.loads((folder / "a.json").read_text())["shapes"]
    ],
    "opex": lambda folder: [
        one["score"]
        for one in assert_valid_opex((folder / "a.json").read_text())["objects"]
    ],
    "vgg": lambda folder: [
        region["region_attributes"]["score"]
        for image in json.loads((folder / "project.json").read_text())[
            "_via_img_metadata"
        ].values()
        for region in image["regions"]
    ],
}
"""Where a format has a place for scores: what stands there for a.jpg."""


@pytest.mark.parametrize("form", sorted(SCORES))
def test_scores_are_kept_where_a_format_has_a_place_for_them(form, tmp_path):
    objects = {"a.jpg": [*BOXES["a.jpg"], boxed("no", None, 1, 2, 3, 4)]}
    folder = exported(form, {"a.jpg": BOXES["a.jpg"]}, tmp_path)
    assert list(map(float, SCORES[form](folder))) == [0.9, 0.25, 0.125]
    assert exported(form, objects, tmp_path / "unknown")  # is no error


def test_the_threshold_keeps_what_reaches_it_or_has_no_score(tmp_path):
    objects = {"a.jpg": [*BOXES["a.jpg"], boxed("no", None, 1, 2, 3, 4)]}
    folder = exported("labelme", objects, tmp_path, scores=Scores(0.25))
    shapes = json.loads((folder / "a.json").read_text())["shapes"]
    assert [one.get("score") for one in shapes] == [0.9, 0.25, None]
    assert CocoFile.read(tmp_path / "round/predictions.json").info["score"] == 0.25


def test_each_class_has_the_threshold_of_the_file(tmp_path):
    """Which has to be for the model that predicted, and for its class list."""
    thresholds = {name: 0.2 for name in CLASSES} | {"no": 0.9}

    def shown(name: str, classes=CLASSES, model: str | None = None) -> list:
        scores = Scores(thresholds, Path("t.json"), model, classes_sha256(CLASSES))
        options = {"scores": scores, "classes": classes}
        folder = exported("labelme", BOXES, tmp_path / name, **options)
        shapes = json.loads((folder / "a.json").read_text())["shapes"]
        return [(one["label"], one["score"]) for one in shapes]

    whole = exported("labelme", BOXES, tmp_path / "whole")
    every = json.loads((whole / "a.json").read_text())["shapes"]
    wanted = [(one["label"], one["score"]) for one in every]
    wanted = [one for one in wanted if one[1] >= thresholds[one[0]]]
    assert shown("kept") == wanted and 0 < len(wanted) < len(every)
    info = CocoFile.read(tmp_path / "kept/round/predictions.json").info
    assert info["score"] == thresholds
    with pytest.raises(UsageError, match=r"--classes: name those of t\.json"):
        shown("order", classes=CLASSES[::-1])
    with pytest.raises(DataError, match=r"t\.json: is for another model"):
        shown("model", model="cd" * 32)


def test_a_task_of_label_studio_names_its_model_and_its_image(tmp_path):
    folder = exported("label-studio", BOXES, tmp_path)
    tasks = json.loads((folder / "tasks.json").read_text())
    assert tasks[0]["predictions"][0]["model_version"] == "cells.pth abababab"
    assert tasks[0]["predictions"][0]["score"] == 0.9
    address = "/data/local-files/?d=images/a.v1%20%5B2%5D.png"
    assert tasks[1]["data"] == {"image": address}
    labels = ElementTree.parse(folder / "interface.xml").iterfind(
        "RectangleLabels/Label"
    )
    assert [one.get("value") for one in labels] == CLASSES
    other = exported("label-studio", BOXES, tmp_path / "b", address="https://x.org/")
    tasks = json.loads((other / "tasks.json").read_text())
    assert tasks[0]["data"]["image"] == "https://x.org/a.jpg"


def test_the_classes_are_those_of_the_model_in_their_order(tmp_path, caplog):
    results = tmp_path / "results" / "cells"
    write_predictions(results / "predictions" / "shard-0" / "opex", BOXES)
    (results / "dataset").mkdir()
    (results / "dataset" / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    export(results, results / "predictions", tmp_path / "round", Export("yolo"))
    content = yaml.safe_load((tmp_path / "round/yolo/data.yaml").read_text())
    assert content["names"] == dict(enumerate(CLASSES))
    (results / "dataset" / "classes.txt").write_text("\n".join(reversed(CLASSES)))
    with pytest.raises(DataError, match=r"classes\.txt: is not the class list of"):
        export(results, None, tmp_path / "other", Export("yolo"))

    plain = results / "predictions"
    export(plain, None, tmp_path / "plain", Export("yolo"))
    assert "the model has other classes than the 3 that it found" in caplog.text
    with pytest.raises(UsageError, match="no was predicted, and is none of"):
        how = Export("yolo", classes=["red cell"])
        export(plain, None, tmp_path / "none", how)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("predictions", "thresholds"),
    [
        ("cells/predictions", None),
        ("cells/predictions/shard-0/opex", None),
        ("done", "cells/evaluation/thresholds.json"),
    ],
)
def test_the_order_is_that_of_the_experiment_around(predictions, thresholds, tmp_path):
    """Unless its list is another one than the model has."""
    folder = write_predictions(tmp_path / predictions, BOXES)
    listed = tmp_path / "cells/dataset/classes.txt"
    listed.parent.mkdir(parents=True)
    path = thresholds and tmp_path / thresholds
    values = dict.fromkeys(sorted(CLASSES), 0.1)
    scores = Scores(values, path, None, classes_sha256(CLASSES)) if path else Scores(0)

    def order(name: str) -> list[str]:
        export(folder, None, tmp_path / name, Export("yolo", scores))
        content = yaml.safe_load((tmp_path / name / "yolo/data.yaml").read_text())
        return list(content["names"].values())

    listed.write_text("\n".join(CLASSES) + "\n")
    assert order("round") == CLASSES != sorted(CLASSES)
    listed.write_text("\n".join([*CLASSES, "other"]) + "\n")
    if path:
        with pytest.raises(UsageError, match="in the order of the model"):
            order("other")
    else:
        assert order("other") == sorted(CLASSES)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x01"])
def test_a_class_that_no_format_can_hold_is_one_line(name, tmp_path):
    predictions = write_predictions(tmp_path / "predicted", BOXES)
    path = predictions / "a.json"
    path.write_text(path.read_text().replace('"no"', json.dumps(name)))
    with pytest.raises(DataError, match="is no name that can be printed"):
        export(predictions, None, tmp_path / "round", Export("voc"))
    assert not (tmp_path / "round").exists()


def test_a_format_says_what_it_does_not_hold(tmp_path):
    with pytest.raises(UsageError, match="voc holds boxes alone"):
        exported("voc", BOXES, tmp_path, shapes="outlines")
    with pytest.raises(UsageError, match="coco has one rule for all"):
        exported("coco", BOXES, tmp_path, edges="exclusive")


def test_images_are_linked_or_copied_and_the_round_says_which_they_are(tmp_path):
    folder = exported("cvat", BOXES, tmp_path)
    original = tmp_path / "predicted" / "a.jpg"
    assert original.samefile(folder / "images" / "a.jpg")
    copies = exported("cvat", BOXES, tmp_path / "copied", copy=True) / "images"
    assert not (copies / "a.jpg").samefile(tmp_path / "copied/predicted/a.jpg")
    assert (copies / "a.jpg").read_bytes() == original.read_bytes()
    rows = list(csv.DictReader((tmp_path / "round/images.csv").open()))
    assert {row["file"]: row["sha256"] for row in rows} == {
        name: sha256_of(folder / "images" / name) for name in BOXES
    }
    coco = CocoFile.read(tmp_path / "round" / "predictions.json")
    assert coco.classes == CLASSES and len(coco.annotations) == 4
    assert coco.info["model_sha256"] == "ab" * 32


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_a_second_export_changes_nothing_and_one_that_was_cut_off_goes_on(
    form, tmp_path
):
    folder = exported(form, OUTLINES, tmp_path)
    before = {path: path.read_bytes() for path in files_of(tmp_path / "round")}
    times = {path: path.stat().st_mtime_ns for path in before}
    for path in list(before)[::2]:
        path.unlink()
    export(tmp_path / "predicted", None, folder.parent, Export(form, classes=CLASSES))
    after = files_of(tmp_path / "round")
    assert {path: path.read_bytes() for path in after} == before
    kept = list(before)[1::2]
    assert [path.stat().st_mtime_ns for path in kept] == [times[p] for p in kept]


def files_of(folder) -> list:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_corrections_are_never_written_over(form, tmp_path):
    folder = exported(form, BOXES, tmp_path)
    (corrected,) = (
        path
        for path in files_of(folder)
        if path.name in ("a.report", "a.json", "a.xml", "a.txt")
        or path.name in ("annotations.json", "annotations.xml")
        or path.name in ("tasks.json", "project.json")
    )
    corrected.write_text("what a person drew")
    before = {path: path.read_bytes() for path in files_of(tmp_path / "round")}
    how = Export(form, Scores(0.2), classes=CLASSES)
    with pytest.raises(DataError, match=f"{corrected.name}: is there with other"):
        export(tmp_path / "predicted", None, tmp_path / "round", how)
    again = {path: path.read_bytes() for path in files_of(tmp_path / "round")}
    assert again == before


def test_another_image_in_the_place_of_one_stays(tmp_path):
    folder = tmp_path / "round" / "voc" / "JPEGImages"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"a\.jpg: is there with other content"):
        exported("voc", BOXES, tmp_path)
    assert files_of(tmp_path / "round") == [folder / "a.jpg"]


def test_a_second_writer_of_a_round_is_refused(tmp_path):
    predictions = write_predictions(tmp_path / "predicted", BOXES)
    how = Export("voc", classes=CLASSES)
    another = pytest.raises(DataError, match="another process writes here")
    with only_writer(tmp_path / "round"), another:
        export(predictions, None, tmp_path / "round", how)
    with pytest.raises(UsageError, match="which is read"):
        export(predictions, None, predictions / "round", how)


NAMES = ("\u540d\u524d.jpg", "b&<c>'\".png", "#50%?.jpg", "t\tab\n.jpg", "x\udce9.jpg")
"""In other alphabets, with signs that mean something, and no valid text."""


@pytest.mark.parametrize("form", sorted(WRITERS))
def test_names_of_any_kind_arrive(form, tmp_path):
    objects = {name: [boxed("no", 0.5, n, 1, 30, 20)] for n, name in enumerate(NAMES)}
    folder = exported(form, {n: objects[n] for n in NAMES[:4]}, tmp_path)
    if form == "label-studio":
        accept(folder / "tasks.json")
    found = read(form, folder)
    boxes = [item.bbox for items in found.values() for item in items]
    assert sorted(boxes) == [(n, 1, 31 - n, 20) for n in range(4)]
    assert {"\u540d\u524d.jpg", "b&<c>'\".png", "#50%?.jpg", "t_ab_.jpg"} == set(found)


def test_images_of_one_name_get_names_of_their_own(tmp_path):
    for shard in ("0", "1"):
        folder = tmp_path / "predicted" / f"shard-{shard}"
        write_predictions(
            folder, {"a.jpg": [boxed("no", 0.5, 1, 1, 9, 9)] * int(shard)}
        )
    (tmp_path / "predicted" / "shard-1" / "a.jpg").write_bytes(
        (tmp_path / "predicted" / "shard-0" / "a.jpg").read_bytes() + b"\0"
    )
    how = Export("labelme", classes=CLASSES)
    export(tmp_path / "predicted", None, tmp_path / "round", how)
    found = read("labelme", tmp_path / "round" / "labelme")
    assert {name: len(items) for name, items in found.items()} == {
        **{"a.jpg": 0, "a-1.jpg": 1}
    }


def test_what_could_not_be_predicted_and_other_files_are_left_aside(tmp_path, caplog):
    predictions = write_predictions(tmp_path / "predicted", BOXES)
    failed = json.loads((predictions / "a.json").read_text())
    failed |= {"objects": [], "meta": {"error": "the image is cut off"}}
    (predictions / "b.json").write_text(json.dumps(failed))
    (predictions / "coco-bbox.json").write_text("[]")
    assert len(read_predictions(predictions)) == 3
    assert "1 file is no OPEX, and left aside, such as" in caplog.text
    assert "1 file is of images that could not be predicted" in caplog.text
    (predictions / "a.json").write_text('{"id": "a.jpg", "objects": [{}]}')
    with pytest.raises(DataError, match=r"a\.json: object 1: it has no bbox"):
        read_predictions(predictions)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "a.jpg").unlink(), "no image 'a.jpg'; give the"),
        (
            lambda folder: shutil.copy(folder / "a.v1 [2].png", folder / "a.jpg"),
            "is not the image that was predicted",
        ),
        (lambda folder: shutil.rmtree(folder), "there is no such folder"),
        (
            lambda folder: [one.unlink() for one in folder.glob("*.json")],
            "holds no predictions",
        ),
        (
            lambda folder: (folder / "a.json").write_text(
                (folder / "a.json").read_text().replace('"width":"64"', '"width":"63"')
            ),
            "has 64x48 pixels, and a.json is of 63x48",
        ),
    ],
    ids=["missing", "another", "no folder", "none", "size"],
)
def test_predictions_and_images_that_do_not_fit_are_one_line(spoil, message, tmp_path):
    predictions = write_predictions(tmp_path / "predicted", BOXES)
    rows = [f"{name},{sha256_of(predictions / name)},ok" for name in BOXES]
    manifest = "\n".join(["file,sha256,status", *rows]) + "\n"
    (predictions / "manifest.csv").write_text(manifest)
    spoil(predictions)
    with pytest.raises(DataError, match=message) as error:
        export(predictions, None, tmp_path / "round", Export("voc", classes=CLASSES))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "round").exists()


def test_what_a_model_predicts_goes_into_a_tool(predictor, dataset, tmp_path):
    """By the commands, from a folder that prediction filled."""
    from mmdet_flow.images import read_image

    (tmp_path / "predicted").mkdir()
    names, count = sorted(os.listdir(dataset.images))[:2], 0
    for name in names:
        shutil.copy(dataset.images / name, tmp_path / "predicted")
        (prediction,) = predictor.predict([read_image(dataset.images / name)[1]])
        count += len(prediction.objects)
        text = prediction.opex(name, "20260101_000000.000000")
        (tmp_path / "predicted" / name).with_suffix(".json").write_text(text)
    words = ["predicted", "--format", "coco", "--output", "round", "--classes"]
    run = run_command(
        "mmdet-flow label export", *words, *dataset.coco.classes, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    coco = CocoFile.read(tmp_path / "round" / "coco" / "annotations.json")
    assert [one["file_name"] for one in coco.images] == names
    assert len(coco.annotations) == count > 0
    again = run_command(
        "mmdet-flow label export", "none", *words[1:], "x", cwd=tmp_path
    )
    assert the_error(again).endswith("none: there is no such folder; check the path")
