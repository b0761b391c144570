"""What tells two runs of a job apart; ``test_stale.py`` has it under Snakemake."""

import copy
import os

import pytest

from mmdet_flow.workflow import changes
from mmdet_flow.workflow.config import prepare
from mmdet_flow.workflow.jobs import Jobs, option_of_input
from mmdet_flow.workflow.places import Places
from tests.workflow.test_workflow import SMALL

HERE = Places("results", "logs")
REMOTE = Places("results", "logs", "s3", "s3://bucket")


@pytest.fixture
def experiment(tmp_path, monkeypatch) -> dict:
    """An experiment that names a file or a folder wherever it may."""
    monkeypatch.chdir(tmp_path)
    for name in ("ann/a.xml", "images/a.png", "new/b.png"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(name)
    for name in ("labels.txt", "groups.csv", "base.py", "first.pth", "option.json"):
        (tmp_path / name).write_text("")
    lists = tmp_path / "results/a/predictions/lists"
    lists.mkdir(parents=True)
    (lists / "0.txt").write_text("b.png\n")
    one = copy.deepcopy(SMALL["experiments"]["example"])
    one["data"] |= {"annotations": "ann", "images": "images", "labels": "labels.txt"}
    one["splits"] = {"group_file": "groups.csv"}
    one["model"] |= {"base": "base.py", "load_from": "first.pth"}
    one["predict"] = {"images": "new", "options": "--of=option.json"}
    prepare({"experiments": {"a": one}})
    return one


FUNCTIONS = {
    "data": changes.of_data,
    "groups": changes.of_groups,
    "base": changes.of_base,
    "weights": changes.of_weights,
    "names": changes.of_names,
    "shard": lambda *asked: changes.of_shard(*asked, "a", "0"),
}


@pytest.mark.parametrize(
    ("changed", "seen_by"),
    [
        ("ann/a.xml", {"data"}),
        ("images/a.png", {"data"}),
        ("labels.txt", {"data"}),
        ("groups.csv", {"groups"}),
        ("base.py", {"base"}),
        ("first.pth", {"weights"}),
        ("new/b.png", {"shard"}),
        ("new/c.png", {"names"}),
        ("option.json", {"shard"}),
        ("results/a/predictions/lists/0.txt", {"shard"}),
        ("results/a/predictions/lists/1.txt", set()),
    ],
)
def test_a_file_that_changes_is_seen_by_whom_it_concerns(
    experiment, tmp_path, changed, seen_by
):
    before = {name: one(experiment, HERE) for name, one in FUNCTIONS.items()}
    with open(tmp_path / changed, "a") as stream:
        stream.write("more")
    after = {name: one(experiment, HERE) for name, one in FUNCTIONS.items()}
    assert {name for name in FUNCTIONS if before[name] != after[name]} == seen_by


def test_what_is_on_remote_storage_is_left_to_snakemake(experiment, tmp_path):
    before = [one(experiment, REMOTE) for one in FUNCTIONS.values()]
    for name in ("ann/a.xml", "images/a.png", "new/b.png", "new/c.png"):
        (tmp_path / name).write_text("more")
    assert [one(experiment, REMOTE) for one in FUNCTIONS.values()] == before


def test_a_shard_that_is_not_listed_yet_is_asked_for_again(experiment, tmp_path):
    os.unlink(tmp_path / "results/a/predictions/lists/0.txt")
    assert isinstance(changes.of_shard(experiment, HERE, "a", "0"), str)


class Wildcards(dict):
    """Wildcards as Snakemake hands them out, as far as they are asked."""

    __getattr__ = dict.__getitem__


def test_a_job_tells_its_experiment_and_its_wildcards(experiment):
    jobs = Jobs({"experiments": {"a": experiment}}, HERE)
    of_a = Wildcards(experiment="a", shard="0")
    told = jobs.changes(lambda *asked: asked, "shard", "experiment")(of_a)
    assert told == (experiment, HERE, "0", "a")
    assert jobs.of_experiment(lambda one: one["model"]["base"])(of_a) == "base.py"
    assert jobs.of_config(lambda *asked: asked)(of_a) == (jobs.config, "a")
    assert "--images-per-shard=2000" in jobs.options("list_images")(of_a)


def test_only_who_compares_looks_at_files(experiment):
    jobs = Jobs({"experiments": {"a": experiment}}, HERE, are_compared=False)
    assert jobs.changes(changes.of_data)(Wildcards(experiment="a")) == ""


def test_an_input_that_is_none_is_no_option():
    option = option_of_input("image_list")
    assert option(None, {"image_list": "a list.txt"}) == ["--image-list=a list.txt"]
    assert option(None, {"image_list": []}) == option(None, {}) == []
