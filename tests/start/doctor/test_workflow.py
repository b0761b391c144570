"""The config, the profiles and the data that a config names."""

import pytest

from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.doctor import workflow
from mmdet_flow.start.doctor.check import Note
from tests.conftest import ROOT
from tests.dataset.voc_data import make_voc


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            'WorkflowError in file "/a/common.smk", line 47:\nconfig, at x: wrong\n'
            '  File "/a/common.smk", line 116, in <module>\n',
            "config, at x: wrong",
        ),
        (
            "Using profile x\nError: profile directory given\n",
            "profile directory given",
        ),
        ("Killed\n", "Killed"),
        ("", "no message"),
    ],
)
def test_what_snakemake_says_becomes_one_line(said, reason):
    assert workflow.one_line(said) == reason


def test_a_key_that_the_schema_does_not_know(tmp_path):
    file = tmp_path / "other.yaml"
    file.write_text((ROOT / "config.yaml").read_text().replace("epochs:", "epoch:"))
    with pytest.raises(UsageError, match="unknown key epoch; did you mean epochs"):
        workflow.dry_run(ROOT, file, tmp_path)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("a:\n  b: [\n", "line 3: "), ("", "holds no keys"), ("- a\n", "holds no keys")],
)
def test_a_file_that_is_no_config(tmp_path, text, reason):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UsageError, match=reason):
        workflow.read_config(tmp_path / "config.yaml")


def test_only_what_a_dry_run_made_is_removed(tmp_path):
    mine = tmp_path / ".snakemake"
    with workflow.without_trace(mine):
        (mine / "iocache").mkdir(parents=True)
        (mine / "iocache/latest.pkl").touch()
        (mine / "locks").mkdir()
    assert not mine.exists()
    with workflow.without_trace(mine):
        (mine / "locks").mkdir(parents=True)
        (mine / "locks/0.input.lock").touch()  # of a run that began meanwhile
    assert (mine / "locks/0.input.lock").exists()


def test_profiles_that_snakemake_would_stumble_over(tmp_path):
    (tmp_path / "default").mkdir()
    with pytest.raises(UsageError, match="takes a folder of this name for a profile"):
        workflow.profile(tmp_path, {})
    (tmp_path / "default/profile.yaml").write_text("jobs: 1\n")
    assert workflow.profile(tmp_path, {}) == "that of the checkout"
    with pytest.raises(UsageError, match="SNAKEMAKE_PROFILE=site: no such profile"):
        workflow.profile(tmp_path, {"SNAKEMAKE_PROFILE": "site"}, [tmp_path / "home"])
    (tmp_path / "home/site").mkdir(parents=True)
    (tmp_path / "home/site/profile.yaml").write_text("jobs: 1\n")
    said = workflow.profile(
        tmp_path, {"SNAKEMAKE_PROFILE": "site"}, [tmp_path / "home"]
    )
    assert said == "SNAKEMAKE_PROFILE=site"


def test_data_of_experiments_and_campaigns_is_found():
    data = {"format": "voc", "annotations": "a", "images": "b"}
    config = {
        "experiments": {"one": {"data": data}},
        "campaigns": {
            "many": {
                "base": {"data": data},
                "grid": {"model.seed": [0, 1, 2], "size": {"s": {}, "l": {}}},
            }
        },
    }
    places = [place for place, _ in workflow.data_sections(config)]
    assert places == ["experiments.one.data", "campaigns.many.base.data"]
    assert workflow.experiments(config) == 1 + 3 * 2
    assert workflow.experiments({"experiments": ["wrong"], "campaigns": {"x": 3}}) == 0


def test_images_and_annotations_are_counted(tmp_path):
    root = make_voc(tmp_path)
    data = {"format": "voc", "annotations": root / "xml", "images": root / "images"}
    said = workflow.count("cells", data)
    assert said == "cells: 3 images, 3 annotated with 3 objects of 2 classes"
    (root / "images/c.jpg").unlink()
    (root / "xml/d.xml").write_text("<annotation>")
    said = workflow.count("cells", data)
    assert isinstance(said, Note)
    assert "2 images, 2 annotated" in said and "1 broken-annotation" in said
    with pytest.raises(DataError, match="no annotations in adams; correct format"):
        workflow.count("cells", data | {"format": "adams"})


def test_folders_elsewhere_and_those_to_be_drawn(tmp_path):
    data = {"annotations": "s3://bucket/a", "images": "s3://bucket/a"}
    assert isinstance(workflow.folders("cells", data), Note)
    drawn = {"annotations": "data/example", "images": "data/example"}
    assert "the workflow draws" in workflow.folders("example", drawn)


def test_results_take_what_images_and_trainings_take(tmp_path):
    root = make_voc(tmp_path)
    data = {"format": "voc", "annotations": root / "xml", "images": root / "images"}
    config = {"experiments": {"a": {"data": data}, "b": {"data": data}}}
    images = sum(path.stat().st_size for path in (root / "images").iterdir())
    assert workflow.needed_gb(config) == pytest.approx(images / 1e9 + 2)
