import csv
import html
import json
import re

import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.pages.render import render
from tests.comparison.results import VERSIONS, write_experiment
from tests.conftest import command_of
from tests.evaluation.scenes import (
    CLASSES,
    found_in,
    random_scene,
    truth_of,
    with_masks,
)

main = command_of("compare experiments")

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
TRUTH = truth_of([LEAF], [LEAF, SHELL])
ALL = found_in([(*LEAF, 0.9)], [(*LEAF, 0.9), (*SHELL, 0.8)])
HALF = found_in([(*LEAF, 0.9)], [(*SHELL, 0.8), ("leaf", 60, 0, 9, 9, 0.4)])


@pytest.fixture
def compared(tmp_path):
    """Return a function that compares A and B and returns the JSON."""

    def compare(*options) -> dict:
        folders = [str(tmp_path / name) for name in ("A", "B")]
        output = ["--output", str(tmp_path / "out"), "--bootstrap", "100"]
        assert main([*folders, *output, *map(str, options)]) == 0
        return json.loads((tmp_path / "out/comparison.json").read_text())

    return compare


def table(path) -> list[dict]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def metric(content, name, label="", iou_type="bbox") -> dict:
    wanted = (iou_type, name, label)
    return next(
        row
        for row in content["metrics"]
        if (row["iou_type"], row["metric"], row["class"]) == wanted
    )


def test_differences_and_disagreements_on_the_same_images(tmp_path, compared):
    write_experiment(tmp_path / "A", TRUTH, HALF)
    write_experiment(tmp_path / "B", TRUTH, ALL, lr=0.1)
    content = compared()
    own = metric(content, "mAP")
    assert content["paired"] and own["b"] == 1.0
    assert own["difference"] == pytest.approx(own["b"] - own["a"], abs=1e-4)
    assert own["low"] <= own["difference"] <= own["high"]
    assert content["disagreements"]["only_b"] == 1
    assert content["disagreements"]["only_a"] == 0
    assert [row["file"] for row in table(tmp_path / "out/images.csv")] == [
        "2.png",
        "1.png",
    ]
    assert table(tmp_path / "out/images.csv")[0]["false_positives_a"] == "1"
    assert content["config"] == [
        {"key": "optim_wrapper.optimizer.lr", "before": "0.004", "after": "0.1"}
    ]
    assert content["environment"] == {}
    rows = table(tmp_path / "out/metrics.csv")
    assert rows[0]["includes_0"] == str(own["includes_0"])


def test_the_page_shows_where_they_disagree_side_by_side(tmp_path, compared):
    write_experiment(tmp_path / "A", TRUTH, HALF)
    write_experiment(tmp_path / "B", TRUTH, ALL)
    compared()
    page = (tmp_path / "out/comparison.html").read_text()
    (pair,) = re.findall(r'<figure class="pair">.*?</figure>', page, re.S)
    assert "<b>2.png</b>" in pair and pair.count("<svg") == 2
    left, right = pair.split("</svg>")[:2]
    assert "missed" in left and "missed" not in right
    assert "0 found by A alone, 1 by B alone, 1 by both" in pair
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith(("data:image/jpeg", "#")) for link in links)
    assert str(tmp_path) not in page and "default-src &#39;none&#39;" in page


def test_the_same_bytes_again_and_equals_agree(tmp_path, compared):
    truth, found = random_scene(3)
    for name in "AB":
        write_experiment(tmp_path / name, truth, with_masks(found))
    content = compared()
    assert metric(content, "mAP")["difference"] == 0
    assert metric(content, "mAP", iou_type="segm")["includes_0"] is True
    assert "do not tell the two apart" in content["verdict"]
    assert content["disagreements"]["images"] == 0
    files = sorted((tmp_path / "out").iterdir())
    first = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    compared()
    assert [path.read_bytes() for path in files] == first
    assert str(tmp_path).encode() not in b"".join(first)


def test_more_images_shown_only_as_far_as_asked(tmp_path, compared):
    truth = truth_of(*[[LEAF]] * 5)
    write_experiment(tmp_path / "A", truth, [])
    write_experiment(
        tmp_path / "B", truth, found_in(*([(*LEAF, 0.9)] for _ in range(5)))
    )
    content = compared("--pictures", 2)
    page = (tmp_path / "out/comparison.html").read_text()
    assert page.count('class="pair"') == 2 and "the first 2 of 5 images" in page
    assert "does not include 0: B is better" in content["verdict"]
    assert metric(content, "mAP")["includes_0"] is False


def test_the_same_images_with_other_ids_are_paired(tmp_path, compared):
    truth, found = random_scene(4)
    numbers = {image["id"]: 500 - image["id"] for image in truth.images}
    other = CocoFile(
        truth.path,
        [image | {"id": numbers[image["id"]]} for image in truth.images][::-1],
        [item | {"image_id": numbers[item["image_id"]]} for item in truth.annotations],
        truth.categories,
    )
    moved = [row | {"image_id": numbers[row["image_id"]]} for row in found]
    write_experiment(tmp_path / "A", truth, found)
    write_experiment(tmp_path / "B", other, moved)
    content = compared()
    assert content["paired"] and metric(content, "mAP")["difference"] == 0
    assert content["disagreements"]["images"] == 0


@pytest.mark.parametrize(
    ("other", "grey", "said"),
    [
        (truth_of([LEAF]), 128, "2 images and 1, of which 1 have the same name, 1 of"),
        (
            truth_of([LEAF], [LEAF]),
            128,
            "2 images and 2, of which 2 have the same name",
        ),
        (TRUTH, 50, "the same annotations, and 2 other pixels"),
    ],
)
def test_other_test_sets_are_not_paired(tmp_path, compared, other, grey, said):
    write_experiment(tmp_path / "A", TRUTH, HALF)
    write_experiment(tmp_path / "B", other, ALL[:1], grey=grey)
    content = compared()
    assert not content["paired"] and said in content["verdict"]
    assert "\n" not in content["verdict"]
    own = metric(content, "mAP")
    assert own["a"] is not None and own["b"] is not None
    assert own["difference"] is None and content["disagreements"] is None
    assert (tmp_path / "out/images.csv").read_text() == "file\n"
    assert 'class="pair"' not in (tmp_path / "out/comparison.html").read_text()


def test_what_differs_in_data_and_versions_is_named(tmp_path, compared):
    write_experiment(tmp_path / "A", TRUTH, HALF)
    write_experiment(
        tmp_path / "B", TRUTH, HALF, versions=VERSIONS | {"torch": "2.14.0"}
    )
    more = truth_of([LEAF], [LEAF, SHELL], [SHELL])
    more.write(tmp_path / "B/splits/train.json")
    content = compared()
    assert content["paired"]
    train = content["data"]["train"]
    assert not train["same"] and content["data"]["val"]["same"]
    assert (train["a"]["images"], train["b"]["images"]) == (2, 3)
    assert train["common_and_annotated_alike"] == 2
    assert train["b"]["objects"] == dict(zip(CLASSES, (2, 0, 2), strict=True))
    assert content["environment"] == {"torch": ["2.13.0", "2.14.0"]}
    text = (tmp_path / "out/comparison.md").read_text()
    assert "| torch | 2.13.0 | 2.14.0 |" in text
    assert "| train | objects: shell | 1 | 2 |  |" in text


def test_names_in_the_markdown_stay_what_they_are(tmp_path, compared):
    names = ("*leaf*", "a|b <i>", "[shell](x)")
    own = [(name, *LEAF[1:]) for name in names]
    truth = truth_of(own, classes=names)
    for folder in "AB":
        found = found_in([(*one, 0.9) for one in own], classes=names)
        write_experiment(tmp_path / folder, truth, found)
    compared()
    text = (tmp_path / "out/comparison.md").read_text()
    page = render("document.html", title="", text=text)
    cells = re.findall("<td>objects: (.*?)</td>", page)
    assert set(map(html.unescape, cells)) == set(names)


def test_an_unfinished_experiment_is_one_line(tmp_path, capsys):
    write_experiment(tmp_path / "A", TRUTH, HALF)
    options = [
        str(tmp_path / "A"),
        str(tmp_path / "B"),
        "--output",
        str(tmp_path / "o"),
    ]
    assert main(options) == 3
    assert "B: has no evaluation/metrics.json" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
