"""How far annotators agree, by figures that can be worked out by hand."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmdet_flow.comparison.annotators import (
    Annotator,
    agreements,
    kappa_of,
    report_of,
    summary,
)
from mmdet_flow.dataset.annotations import AnnotatedObject
from mmdet_flow.dataset.labelled import LabelledImage
from mmdet_flow.dataset.pixels import read_pixels
from mmdet_flow.errors import DataError
from tests.conftest import command_of, run_command, the_error
from tests.dataset.test_difference import write_annotations
from tests.dataset.test_label_studio import annotation, minimal, region, task, write
from tests.dataset.voc_data import make_picture

SIZE = (100, 100)


def image(name: str, *objects: AnnotatedObject) -> LabelledImage:
    return LabelledImage(name, Path(name), f"digest of {name}", SIZE, objects)


def box(label: str, x: float, y: float = 0, side: float = 20) -> AnnotatedObject:
    return AnnotatedObject(label, (x, y, side, side))


def outlined(label: str, x: float, side: float = 20) -> AnnotatedObject:
    points = (x, 0, x + side, 0, x + side, side, x, side)
    return replace(box(label, x, side=side), polygons=(points,))


FIRST = Annotator(
    "first",
    [
        image("a", box("cat", 0), box("cat", 30), box("dog", 60)),
        image("b", box("dog", 0), box("dog", 30)),
        image("alone", box("cat", 0)),
    ],
)
SECOND = Annotator(
    "second",
    [
        # 2 pixels to the right: 18 of 22 columns are of both.
        image("a", box("cat", 2), box("dog", 30), box("dog", 60)),
        image("b", box("dog", 0), box("dog", 50), box("cat", 75)),
    ],
)


def test_the_figures_are_those_of_the_definitions():
    (found,) = agreements([FIRST, SECOND])
    report = report_of(found)
    assert (report["images"], report["both"], report["same"]) == (2, 4, 3)
    assert (report["objects_first"], report["objects_second"]) == (5, 6)
    assert report["f1"] == round(2 * 3 / 11, 4)
    # Classes of the four: cat cat, cat dog, dog dog, dog dog.
    assert report["kappa"] == round((3 / 4 - 8 / 16) / (1 - 8 / 16), 4)
    assert report["mean_iou"] == round((18 / 22 + 3) / 4, 4)
    assert report["mean_mask_iou"] is None
    assert report["other_class"] == {"cat and dog": 1}
    cats, dogs = report["by_class"]["cat"], report["by_class"]["dog"]
    assert (cats["f1"], dogs["f1"]) == (round(2 / 4, 4), round(2 * 2 / 7, 4))
    # Two of the first's objects are alone, one by its class and one by its place.
    assert [what for what, _ in found.disagreements()] == [
        *("class", "only_first", "only_second", "only_second")
    ]


def test_the_interval_is_of_the_images_that_both_labelled():
    """In a draw all images are the first, all the second, or each is there once."""
    (found,) = agreements([FIRST, SECOND])
    report = report_of(found)
    assert (report["f1_low"], report["f1_high"]) == (round(2 / 5, 4), round(4 / 6, 4))
    single = [replace(one, images=one.images[:1]) for one in (FIRST, SECOND)]
    assert report_of(agreements(single)[0])["f1_low"] is None


def test_who_agrees_with_himself():
    (found,) = agreements([FIRST, replace(FIRST, name="again")])
    report = report_of(found)
    assert [report[key] for key in ("f1", "kappa", "mean_iou")] == [1, 1, 1]
    assert list(found.disagreements()) == []


def test_outlines_are_compared_where_both_have_them():
    """Squares of 20 pixels of which one is 5 further right: 300 of 500 pixels."""
    sides = [
        Annotator("first", [image("a", outlined("cat", 0), box("cat", 50))]),
        Annotator("second", [image("a", outlined("cat", 5), outlined("cat", 50))]),
    ]
    (found,) = agreements(sides)
    assert report_of(found)["mean_mask_iou"] == 0.6


def test_kappa_needs_two_classes():
    assert kappa_of([("cat", "cat")] * 3) is None
    assert kappa_of([]) is None
    assert kappa_of([("cat", "dog"), ("dog", "cat")]) == -1


def test_images_without_objects_are_agreed_about():
    sides = [Annotator(name, [image("a")]) for name in ("first", "second")]
    (found,) = agreements(sides)
    assert summary(report_of(found), 0.5) == (
        "first and second, 1 image: neither has an object"
    )


def test_where_nothing_is_labelled_twice():
    sides = [Annotator(name, [image(name)]) for name in ("first", "second")]
    with pytest.raises(DataError, match="first, second: no image is labelled by two"):
        agreements(sides)


def test_the_command_compares_folders_of_a_tool(tmp_path, capsys):
    pictures = {"a.jpg": [("cat", 1, 1, 20, 20)], "b [1].jpg": [("dog", 9, 9, 9, 9)]}
    for name, shift in (("anna", 0), ("ben", 1)):
        objects = {
            file: [
                AnnotatedObject(label, (x + shift, *rest)) for label, x, *rest in found
            ]
            for file, found in pictures.items()
        }
        write_annotations("labelme", tmp_path / name, objects)
    command, places = command_of("compare annotators"), ["anna", "ben"]
    out = tmp_path / "out"
    words = [*(tmp_path / one for one in places), "--output", out]
    assert command([*words, "--format", "labelme"]) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path / 'anna'} and {tmp_path / 'ben'}, 2 images: F1 1.00, 1.00 to 1.00, "
        "at an IoU of 0.5; of 2 and 2 objects 2 are the same (kappa 1.00); "
        "mean IoU 0.85\n"
    )
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == ["agreement.csv", "agreement.json", "disagreements.csv"]
    assert command([*words, "--format", "labelme"]) == 0
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("form", ["JSON", "JSON-MIN"])
def test_an_export_of_label_studio_is_taken_apart_by_annotator(form, tmp_path):
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed, (200, 80))
    cat, dog = region(), region(labels=("dog",))
    made = [
        ("a.jpg", 2, cat),
        ("a.jpg", 10, dog),
        ("b.jpg", 2, cat),
        ("b.jpg", 10, cat),
    ]
    if form == "JSON":
        by_image = {
            name: [
                annotation(one, completed_by=who)
                for file, who, one in made
                if file == name
            ]
            for name in ("a.jpg", "b.jpg")
        }
        # What was cancelled is nobody's; and the ground truth is one of several here.
        by_image["a.jpg"][0]["ground_truth"] = True
        by_image["b.jpg"].append(
            annotation(dog, completed_by={"id": 3}, was_cancelled=True)
        )
        by_image["b.jpg"][1]["completed_by"] = {"id": 10, "email": "-"}
        write(tmp_path, *(task(name, *all_) for name, all_ in by_image.items()))
    else:
        items = [
            minimal(file, one, key=ord(file[0]), annotator=who, annotation_id=number)
            for number, (file, who, one) in enumerate(made)
        ]
        write(tmp_path, *items)
    words = [tmp_path / "result.json", "--format", "label-studio", "--output"]
    assert command_of("compare annotators")([*words, tmp_path / "out"]) == 0
    (pair,) = json.loads((tmp_path / "out/agreement.json").read_text())["pairs"]
    assert (pair["first"], pair["second"]) == ("annotator 2", "annotator 10")
    assert (pair["images"], pair["both"], pair["same"]) == (2, 2, 1)
    rows = list(csv.DictReader((tmp_path / "out/disagreements.csv").open()))
    assert [(row["file"], row["class_first"], row["class_second"]) for row in rows] == [
        ("a.jpg", "cat", "dog")
    ]


def test_what_all_annotators_share_is_decoded_and_told_once(
    tmp_path, monkeypatch, capsys
):
    for seed, name in enumerate("abc"):
        make_picture(tmp_path / f"{name}.jpg", seed, (200, 80))
    decoded = []
    monkeypatch.setattr(
        "mmdet_flow.commands.compare.annotators.read_pixels",
        lambda path: decoded.append(path.name) or read_pixels(path),
    )
    both = [annotation(region(), completed_by=who) for who in (1, 2)]
    beyond = region(x=-9, y=10, width=50, height=40, rotation=0)
    write(
        tmp_path,
        task("a.jpg", *both, predictions=[{}]),
        task("b.jpg", *both, annotation(beyond, completed_by=3)),
        task("gone.jpg", *both),
    )
    words = [tmp_path / "result.json", "--format", "label-studio", "--output"]
    policy = ["--policy", "missing-image=drop", "crosses-edge=repair"]
    command = command_of("compare annotators")
    assert command([*words, tmp_path / "out", *policy]) == 0
    assert sorted(decoded) == ["a.jpg", "b.jpg"]
    lines = capsys.readouterr().err.splitlines()
    for what in ("gone.jpg", "c.jpg", "predictions: 1", "crosses"):
        assert sum(what in line for line in lines) == 1, what


def test_bad_places_are_one_line(tmp_path):
    write_annotations("voc", tmp_path / "anna", {"a.jpg": [box("cat", 1)]})
    words = ("mmdet-flow compare annotators", tmp_path / "anna")
    output = ("--output", tmp_path / "out")
    assert "holds what one annotator labelled; name what another" in the_error(
        run_command(*words, "--format", "voc", *output)
    )
    assert "anna: is no converted data set; name its format" in the_error(
        run_command(*words, tmp_path / "anna", *output)
    )
    assert "--edges: goes with --format" in the_error(
        run_command(*words, tmp_path / "anna", "--edges", "exclusive", *output)
    )
    assert not (tmp_path / "out").exists()
