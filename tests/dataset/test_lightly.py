"""Lightly: folders as labelformat writes them, and as Lightly itself has them."""

import json

import pytest

from tests.dataset.reading import plain, read, read_all
from tests.dataset.voc_data import make_picture

CATEGORIES = [{"id": 0, "name": "cat"}, {"id": 7, "name": "big dog"}]


@pytest.fixture
def folder(tmp_path):
    """Two images, scene.jpg and scene.v1.jpg, of 64x48 pixels, and a task."""
    for seed, name in enumerate(("scene", "scene.v1")):
        make_picture(tmp_path / f"{name}.jpg", seed)
    write_schema(tmp_path / "task")
    return tmp_path


def write_schema(task, categories=CATEGORIES, task_type="object-detection") -> None:
    task.mkdir(exist_ok=True)
    content = {"task_type": task_type, "categories": categories}
    (task / "schema.json").write_text(json.dumps(content))


def box(category=0, bbox=(1.5, 2, 30.25, 20), score=0.0) -> dict:
    return {"category_id": category, "bbox": bbox, "score": score}


def write(task, image, *predictions) -> None:
    path = (task / image).with_suffix(".json")
    path.parent.mkdir(exist_ok=True)
    content = {"file_name": image, "predictions": list(predictions)}
    path.write_text(json.dumps(content))


def test_boxes_have_the_classes_of_their_task(folder):
    write(folder / "task", "scene.v1.jpg", box(), box(7, [0, 0, "64", 48]))
    write(folder / "task", "scene.jpg")
    (folder / "tasks.json").write_text('["task"]')
    found = read("lightly", folder)
    assert plain(found["scene.v1.jpg"]) == [
        ("cat", (1.5, 2.0, 30.25, 20.0), ()),
        ("big dog", (0.0, 0.0, 64.0, 48.0), ()),
    ]
    assert found["scene.jpg"] == ()


def test_the_nearest_schema_counts_also_above_the_folder(folder, monkeypatch):
    make_picture(folder / "x.jpg", 5)
    write_schema(folder / "other", [{"id": 0, "name": "sheep"}])
    write(folder / "other", "x.jpg", box())
    write(folder / "task", "part/scene.jpg", box())
    (folder / "part").mkdir()
    (folder / "scene.jpg").rename(folder / "part/scene.jpg")
    found = read("lightly", folder)
    labels = {name: one.label for name, (one, *_) in found.items()}
    assert labels == {"x.jpg": "sheep", "scene.jpg": "cat"}
    (folder / "part/scene.jpg").rename(folder / "task/part/scene.jpg")
    monkeypatch.chdir(folder / "task/part")
    assert len(read("lightly", folder / "task/part")["scene.jpg"]) == 1


def test_scores_of_a_model_are_told(folder):
    write(folder / "task", "scene.jpg", box(), box(7, score=1), box(score=0.7))
    found, problems = read_all("lightly", folder)
    assert len(found["scene.jpg"]) == 3
    assert problems == [("left-aside", "", "scores of a model: 1")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (box(3), "its category_id 3 is not there"),
        (box("cat"), "its category_id 'cat' is not there"),
        (box(bbox=[1, 2, 3]), "its bbox has 3 numbers, not 4"),
        (box(bbox=[1, 2, 3, None]), "a number of its bbox is None"),
        ({"category_id": 0, "probabilities": [1.0]}, "it has no bbox"),
        (None, "it is None, not an object with keys"),
    ],
)
def test_malformed_boxes_are_findings(folder, wrong, said):
    write(folder / "task", "scene.jpg", box(), wrong)
    found, problems = read_all("lightly", folder)
    assert len(found["scene.jpg"]) == 1
    ((check, place, what),) = problems
    assert (check, place) == ("invalid-object", "object 2")
    assert said in what


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"categories": [{"id": 0}]}, "it has no name"),
        ({"categories": CATEGORIES[:1] * 2}, "two categories have the id 0"),
        ({"categories": None}, "categories is None, not a list"),
        ({"categories": [], "task_type": "classification"}, "task_type is classifica"),
        ([], "it is [], not an object with keys"),
        (None, "names its classes"),
    ],
)
def test_a_task_without_classes_is_broken(folder, schema, said):
    write(folder / "task", "scene.jpg", box())
    (folder / "task/schema.json").write_text(json.dumps(schema))
    if schema is None:
        (folder / "task/schema.json").unlink()
    found, problems = read_all("lightly", folder)
    assert found == {}
    ((check, _, what),) = problems
    assert check == "broken-annotation" and said in what


@pytest.mark.parametrize("other", [[], {"predictions": []}, {"file_name": "a.jpg"}])
def test_other_files_are_broken_annotations(folder, other):
    (folder / "task/scene.json").write_text(json.dumps(other))
    found, problems = read_all("lightly", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["broken-annotation"]
