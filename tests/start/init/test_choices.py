"""Names, classes, presets and policies that follow from the data."""

from pathlib import Path

import pytest

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject, Source
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.init.choices import (
    class_list,
    experiment_name,
    policy_for,
    preset_for,
)
from mmdet_flow.start.survey import Survey

BOX = (0.0, 0.0, 10.0, 10.0)
TRIANGLE = (0.0, 0.0, 9.0, 0.0, 0.0, 9.0)


def found(*objects, images=("a.jpg",)) -> Survey:
    read = [AnnotatedImage(Path("a.xml"), Path(one), None, objects) for one in images]
    return Survey("voc", Source(Path("xml"), Path("images")), read, [])


def item(label="cat", polygon=()) -> AnnotatedObject:
    return AnnotatedObject(label, BOX, "", (polygon,) if polygon else ())


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        *(("cells", "cells"), ("my cells (2)", "my-cells-2"), (".hidden", "hidden")),
        *(("Obst Küche", "Obst-Kuche"), ("Obst Ku\u0308che", "Obst-Kuche")),
        *(("Größe", "Grosse"), ("São Tomé ½", "Sao-Tome-1-2"), ("细胞", "data")),
    ],
)
def test_a_name_is_made_of_that_of_the_folder(tmp_path, folder, name):
    assert experiment_name(tmp_path / folder, None) == name


def test_a_single_file_gives_its_name_without_suffix(tmp_path):
    (tmp_path / "cells.json").touch()
    assert experiment_name(tmp_path / "cells.json", None) == "cells"


def test_a_name_that_the_schema_refuses():
    with pytest.raises(UsageError, match="--name a/b: begin with a letter or digit"):
        experiment_name(Path("x"), "a/b")


def test_classes_by_number_of_objects_then_by_name():
    survey = found(item("b"), item("c"), item("a"), item("c"), item(""))
    assert class_list(survey, None) == ["c", "a", "b"]
    assert class_list(survey, ["b", "a", "b"]) == ["b", "a"]
    with pytest.raises(UsageError, match=r"--classes z: .*; there are c, a, b"):
        class_list(survey, ["z"])
    with pytest.raises(DataError, match="no object has a class"):
        class_list(found(item("")), None)


def test_of_spellings_of_one_name_the_frequent_one_is_listed():
    survey = found(item("red cell"), *[item("Red-Cell")] * 2, item("dog"), item("dig"))
    assert class_list(survey, None) == ["Red-Cell", "dig", "dog"]
    given = ["red cell", "Red-Cell"]
    assert class_list(survey, given) == given


@pytest.mark.parametrize(
    ("objects", "masks", "preset"),
    [
        ([item()], None, "small-boxes"),
        ([item(polygon=TRIANGLE)], None, "small-masks"),
        ([item(polygon=TRIANGLE)], False, "small-boxes"),
        ([item(polygon=TRIANGLE)] * 9 + [item()], None, "small-boxes"),
        ([item(polygon=(0, 0, 9, 0, 9, 9, 0, 9))], None, "small-boxes"),
        ([item(polygon=(0, 0, 9, 0, 9, 9, 0, 9))], True, "small-masks"),
    ],
)
def test_masks_need_a_polygon_of_each_object(objects, masks, preset):
    assert preset_for(found(*objects), masks) == preset


@pytest.mark.parametrize(
    ("survey", "policy"),
    [
        (found(item()), {}),
        (found(item("dog")), {"unknown-class": "drop"}),
        (found(item(), images=["a.tif"]), {"unsupported-image": "repair"}),
        (found(item(), images=["x/a.jpg", "y/a.jpg"]), {"duplicate-name": "repair"}),
    ],
)
def test_what_would_stop_the_first_run_and_loses_nothing(survey, policy):
    assert policy_for(survey, ["cat"]) == policy


def test_no_object_is_dropped_for_a_list_that_nobody_gave():
    assert policy_for(found(item("cat"), item("Cat")), None) == {}
