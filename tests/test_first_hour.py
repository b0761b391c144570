"""The page of the first hour: its data, its commands on these, its client."""

import importlib.util
import json
import re

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT, run_command

PAGE = (ROOT / "docs/first-hour.md").read_text()


@pytest.fixture(scope="module")
def photographs():
    """The module docs/photographs.py."""
    path = ROOT / "docs/photographs.py"
    spec = importlib.util.spec_from_file_location("photographs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(photographs, tmp_path_factory):
    """A folder with the pictures of the page, but fewer."""
    folder = tmp_path_factory.mktemp("workbench")
    photographs.make_pictures(folder / "data", labelled=6, new=1)
    return folder


def test_the_pictures_have_names_and_outlines_that_fit_them(folder, photographs):
    parts = sorted((folder / "data/parts").iterdir())
    assert [path.name for path in parts[:2]] == ["IMG_2041.jpg", "IMG_2041.json"]
    assert len(parts) == 12
    assert [path.name for path in (folder / "data/new").iterdir()] == ["IMG_2047.jpg"]
    labels = set()
    for path in parts[1::2]:
        content = json.loads(path.read_text())
        picture = cv2.imread(str(path.with_name(content["imagePath"])))
        height, width = content["imageHeight"], content["imageWidth"]
        assert picture.shape == (height, width, 3)
        for shape in content["shapes"]:
            points = np.array(shape["points"])
            assert len(points) >= 5 and (points >= 0).all()
            assert (points < (width, height)).all()
            labels.add(shape["label"])
    assert labels == set(photographs.PARTS)


def test_what_is_outlined_differs_from_the_ground_around_it(photographs):
    """Else an outline would be in another place than its part."""
    picture, shapes = photographs.make_scene(np.random.default_rng(5))
    for _, points in shapes:
        mask = np.zeros(picture.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.int32(points)], 1)
        around = cv2.dilate(mask, np.ones((31, 31))) - cv2.dilate(mask, np.ones((9, 9)))
        inside, outside = (picture[one > 0].std(axis=0).max() for one in (mask, around))
        assert inside > 1.2 * outside


def test_the_same_number_gives_the_same_picture(photographs):
    one, two, other = (
        photographs.make_scene(np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert (one[0] == two[0]).all() and one[1] == two[1]
    assert not (one[0] == other[0]).all()


def test_the_check_finds_nothing_wrong_and_init_what_the_page_says(folder):
    found = run_command(
        *("mmdet-flow data check", "--format", "labelme", "--images", "data/parts"),
        *("--annotations", "data/parts", "--report", "findings.json"),
        cwd=folder,
    )
    assert found.returncode == 0, found.stderr
    findings = json.loads((folder / "findings.json").read_text())["findings"]
    assert {one["check"] for one in findings} <= {"few-objects"}  # of six pictures
    [line] = re.findall(r"mmdet-flow start init (.*)", PAGE)
    # Quick, since measuring the machine takes half a minute.
    init = run_command("mmdet-flow start init", *line.split(), "--quick", cwd=folder)
    assert init.returncode == 0, init.stderr
    assert "annotated as labelme in data/parts" in init.stdout
    assert "small-masks" in init.stdout
    # What the page names below results/ is called after this experiment.
    assert re.findall(r"^  (\w+):$", (folder / "config.yaml").read_text(), re.M) == [
        "parts"
    ]
    assert set(re.findall(r"results/(\w+)", PAGE)) == {"parts"}
