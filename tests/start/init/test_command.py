"""mmdet-flow start init as a user runs it, on the example in each format."""

import re
import shutil

import jsonschema
import pytest
import yaml

from mmdet_flow.cli import hours
from mmdet_flow.dataset.readers import FORMATS
from tests.conftest import ROOT, run_command, the_error
from tests.dataset.tool_writers import BOXES_ONLY
from tests.dataset.voc_data import make_voc
from tests.start.init.example_data import make_data
from tests.workflow.test_workflow import snakemake

SCHEMA = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())


def init(folder, *options):
    """Propose a config, without the time that measuring this machine takes."""
    return run_command("mmdet-flow start init", "--quick", *options, cwd=folder)


def config_in(folder, name="config.yaml") -> dict:
    config = yaml.safe_load((folder / name).read_text())
    jsonschema.validate(config, SCHEMA)
    return config["experiments"]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_format_is_found(tmp_path, name):
    make_data(tmp_path / "data/ground", name)
    run = init(tmp_path, "data/ground")
    assert run.returncode == 0, run.stderr
    data = config_in(tmp_path)["ground"]["data"]
    assert data["format"] == name
    assert "hours" not in config_in(tmp_path)["ground"]["model"]
    assert sorted(data["classes"]) == ["leaf", "pebble", "shell"]
    assert data["images"] == "data/ground"
    # Where one file is for all images, it is named.
    files = {
        **dict.fromkeys(("coco", "vgg"), "/annotations.json"),
        **{"cvat": "/annotations.xml", "datumaro": "/default.json"},
        **{"createml": "/_annotations.createml.json", "lightly": "/task"},
        **{"open-images": "/all-annotations-bbox.csv"},
        **{"label-studio": "/result.json", "via-csv": "/via_region_data.csv"},
    }
    assert data["annotations"] == f"data/ground{files.get(name, '')}"
    preset = "small-boxes" if name in (*BOXES_ONLY, "voc") else "small-masks"
    assert f"{preset}, 192 pixels" in run.stdout
    assert config_in(tmp_path)["ground"]["model"]["preset"] == preset


def test_what_is_written_is_what_snakemake_takes(tmp_path):
    folder = make_data(tmp_path / "data/my cells", "voc")
    for name in ("labels", "photos"):
        (folder / name / "first").mkdir(parents=True)
    for path in folder.glob("*.*"):
        place = "labels" if path.suffix == ".xml" else "photos"
        path.rename(folder / place / "first" / path.name)
    run = init(tmp_path, "data/my cells", "--hours", "10m")
    assert run.returncode == 0, run.stderr
    experiment = config_in(tmp_path)["my-cells"]
    assert experiment["model"]["hours"] == 0.1667
    assert "# 10 minutes, in hours: " in (tmp_path / "config.yaml").read_text()
    data = experiment["data"]
    assert data["annotations"] == "data/my cells/labels/first"
    assert data["images"] == "data/my cells/photos/first"
    planned = snakemake(tmp_path, "-n")
    assert planned.returncode == 0, planned.stderr[-2000:]
    assert "results/my-cells/model/checkpoint.pth" in planned.stdout + planned.stderr


def test_a_config_is_not_lost(tmp_path):
    make_voc(tmp_path / "data")
    (tmp_path / "config.yaml").write_text("mine")
    message = the_error(init(tmp_path, "data"))
    assert "config.yaml: is there already; replace it with --force" in message
    assert (tmp_path / "config.yaml").read_text() == "mine"
    assert init(tmp_path, "data", "--output", "new/other.yaml").returncode == 0
    # One in another folder may be used from there too.
    data = config_in(tmp_path, "new/other.yaml")["data"]["data"]
    assert data["annotations"] == str(tmp_path / "data/xml")
    assert init(tmp_path, "data", "--force", "--name", "mine").returncode == 0
    assert list(config_in(tmp_path)) == ["mine"]


def test_the_splits_that_data_come_with(tmp_path):
    root = make_voc(tmp_path / "data")
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    for split, stem in (("train", "a"), ("val", "b [1]"), ("test", "c")):
        (lists / f"{split}.txt").write_text(f"{stem}\n")
    assert "train 1, val 1, test 1" in init(tmp_path, "data").stdout
    splits = config_in(tmp_path)["data"]["splits"]
    assert splits["val"] == "data/ImageSets/Main/val.txt"
    shutil.rmtree(root / "ImageSets")
    for split, stem in (("train", "a"), ("valid", "b [1]"), ("test", "c")):
        (root / "images" / split).mkdir()
        (root / f"images/{stem}.jpg").rename(root / f"images/{split}/{stem}.jpg")
    assert init(tmp_path, "data", "--force").returncode == 0
    assert config_in(tmp_path)["data"]["splits"]["val"] == "data-splits/val.txt"
    assert (tmp_path / "data-splits/val.txt").read_text() == "b [1].jpg\n"
    (tmp_path / "data-splits/val.txt").write_text("edited")
    message = the_error(init(tmp_path, "data", "--output", "other.yaml"))
    assert "data-splits/train.txt: is there already; replace it with" in message
    assert (tmp_path / "data-splits/val.txt").read_text() == "edited"
    planned = snakemake(tmp_path, "-n")
    assert planned.returncode == 0, planned.stderr[-2000:]


def test_boxes_without_end_are_no_hindrance(tmp_path):
    boxes = ("cat", "nan", 1, 9, 9), ("cat", 1, 1, "inf", 9), ("cat", 1, 1, 9, 9)
    make_voc(tmp_path / "data", {"a": boxes})
    run = init(tmp_path, "data")
    assert run.returncode == 0, run.stderr
    assert "policy" not in config_in(tmp_path)["data"]["data"]


def test_images_without_annotation_are_counted_as_the_check_counts_them(tmp_path):
    """Those whose annotation cannot be read are told of by its finding."""
    root = make_data(tmp_path / "data", "labelme")
    first, second, third, *_ = sorted(root.glob("*.json"))
    first.write_text("{")
    second.write_text('{"shapes": 5}')
    third.unlink()
    run = init(tmp_path, "data")
    assert "note       1 more image without an annotation" in run.stdout
    options = "--format labelme --annotations data --images data"
    check = run_command("mmdet-flow data check", *options.split(), cwd=tmp_path)
    assert re.search(r"no-annotation +drop +1 ", check.stdout)


SPELT = [("Red cell", 1, 1, 9, 9)] * 12
"""Objects of a class, for images that are each a little else."""


@pytest.mark.parametrize(
    ("other", "check"), [("red-cell", "similar-classes"), ("Red cel", "few-objects")]
)
def test_misspelt_classes_have_the_verdict_of_a_check_without_a_list(
    tmp_path, other, check
):
    """The list of the config does not hide them: the run stops where that stops."""
    stray = (other, 20, 20, 30, 30)
    root = make_voc(tmp_path / "data", {"a": SPELT, "b": [stray]})
    run = init(tmp_path, "data")
    data = config_in(tmp_path)["data"]["data"]
    words = f"--format voc --annotations {root}/xml --images {root}/images".split()
    free = run_command("mmdet-flow data check", *words, cwd=tmp_path)
    listed = run_command(
        *("mmdet-flow data check", *words, "--classes", *data["classes"]), cwd=tmp_path
    )
    assert check in free.stdout
    assert free.returncode == listed.returncode == 3 * (check == "similar-classes")
    assert "did you mean Red cell" in listed.stderr
    (note,) = [line for line in run.stdout.splitlines() if f" {other} 1 " in line]
    assert "Red cell 12" in note and "rename it" in note
    if listed.returncode:
        assert "unknown-class: repair" in note
        mended = run_command(
            *("mmdet-flow data check", *words, "--classes", *data["classes"]),
            *("--policy", "unknown-class=repair"),
            cwd=tmp_path,
        )
        assert mended.returncode == 0, mended.stderr


def test_names_with_control_characters_are_listed_as_the_policy_repairs_them(tmp_path):
    root = make_voc(tmp_path / "data", {"a": [("red&#9;cell", 1, 1, 9, 9)], "b": []})
    assert init(tmp_path, "data").returncode == 0
    data = config_in(tmp_path)["data"]["data"]
    assert data["classes"] == ["red cell"]
    assert data["policy"] == {"control-character": "repair"}
    run = run_command(
        *("mmdet-flow data check --format voc --annotations", root / "xml"),
        *("--images", root / "images", "--classes", *data["classes"]),
        *("--policy", "control-character=repair"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr


def test_answers_come_as_options(tmp_path):
    make_data(tmp_path / "ground", "opex")
    run = init(tmp_path, "ground", "--boxes", "--classes", "shell", "leaf")
    assert run.returncode == 0, run.stderr
    experiment = config_in(tmp_path)["ground"]
    assert experiment["data"]["classes"] == ["shell", "leaf"]
    assert experiment["data"]["policy"] == {"unknown-class": "drop"}
    assert experiment["model"]["preset"] == "small-boxes"
    message = the_error(init(tmp_path, "ground", "--force", "--classes", "lief"))
    assert "--classes lief: no object is called that; did you mean leaf?" in message
    make_voc(tmp_path / "voc")
    message = the_error(init(tmp_path, "voc", "--force", "--masks"))
    assert "--masks: 3 of 3 objects have no polygon; draw them" in message


@pytest.mark.parametrize(
    ("text", "value"), [("2", 2), ("2h", 2), ("30m", 0.5), ("1h30m", 1.5), ("0.5", 0.5)]
)
def test_times(text, value):
    assert hours(text) == value


@pytest.mark.parametrize("text", ["0", "soon", "1d", "-1", "h", "1.2.3", 400 * "9"])
def test_what_is_no_time(tmp_path, text):
    run = init(tmp_path, "nowhere", f"--hours={text}")
    assert run.returncode == 2
    assert f"give a time, such as 2h or 30m, not {text!r}" in run.stderr


def test_the_last_lines_run_what_was_written(tmp_path):
    make_data(tmp_path / "data/ground", "voc")
    plain = init(tmp_path, "data/ground")
    other = init(tmp_path, "data/ground", "--output", "of ours.yaml")
    assert plain.stdout.splitlines()[-2:] == [
        *("  mmdet-flow run -n", "  mmdet-flow run")
    ]
    options = "--replace-workflow-config --configfile 'of ours.yaml'"
    assert other.stdout.splitlines()[-1] == f"  mmdet-flow run {options}"
