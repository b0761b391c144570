"""Rounds of labelling: their experiments, and what the workflow makes of them."""

import copy
import csv
import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import files
from mmdet_flow.workflow.config import prepare
from tests.conftest import ROOT, run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

BASE = {
    "data": {
        **{"format": "voc", "annotations": "xml", "images": "photos", "glob": "*.xml"},
        **{"edges": "exclusive", "classes": ["b", "a"], "license": "LICENSE"},
        **{"policy": {"tiny-box": "ignore"}, "min_objects": 3},
    },
    "splits": {"train": 0.5, "val": 0.25, "test": 0.25, "seed": 7, "folds": 4},
    "model": {"epochs": 3, "load_from": "coco.pth"},
    "predict": {"images": "new"},
}
LOOP = {"base": "cells", "rounds": ["data/round-1", "data/round-2/"]}


def prepared(base: dict = BASE, **changes) -> tuple:
    """Return the experiments and the campaigns of a config with rounds."""
    campaigns = {"loop": LOOP | changes}
    config = {"experiments": {"cells": copy.deepcopy(base)}, "campaigns": campaigns}
    found = prepare(config)
    return config, found


def refused(**experiments: dict) -> str:
    with pytest.raises(UsageError) as caught:
        prepare({"experiments": experiments})
    return str(caught.value)


def test_a_round_is_the_base_on_the_joined_data_from_the_model_of_the_one_before():
    config, campaigns = prepared()
    experiments = config["experiments"]
    assert list(experiments) == ["cells", "loop-round1", "loop-round2"]
    one = experiments["loop-round2"]
    assert one["data"] == {
        **{"format": "coco", "annotations": "data/round-2/annotations.json"},
        **{"images": "data/round-2/images", "classes": "all"},
        **{"glob": None, "labels": None, "edges": "inclusive"},
        **{"license": "LICENSE", "min_objects": 3, "policy": {"tiny-box": "ignore"}},
    }
    assert one["splits"]["test"] == "data/round-2/splits/test.txt"
    assert (one["splits"]["seed"], one["splits"]["folds"]) == (7, None)
    model = one["model"]
    assert (model["epochs"], model["start_from"]) == (3, "loop-round1")
    assert model["load_from"] is None and one["predict"]["images"] == "new"
    assert experiments["loop-round1"]["model"]["start_from"] == "cells"
    assert experiments["cells"]["model"]["load_from"] == "coco.pth"
    assert campaigns.of == dict.fromkeys(experiments, "loop")
    assert [campaigns.round_of(name) for name in experiments] == [0, 1, 2]
    assert files.first_weights(config, "loop-round1") == [
        "<results>/cells/model/checkpoint.pth"
    ]
    assert files.first_weights(config, "cells") == []


def test_a_round_from_scratch_starts_as_its_base():
    config, _ = prepared(from_scratch=True)
    models = [one["model"] for one in config["experiments"].values()]
    assert [(m["start_from"], m["load_from"]) for m in models] == [
        (None, "coco.pth")
    ] * 3


def test_a_base_that_is_written_in_place_is_no_round():
    """The first round starts as it says, the others from the one before."""
    config = {"campaigns": {"loop": {"base": BASE, "rounds": ["r1", "r2"]}}}
    campaigns = prepare(config)
    assert campaigns.rounds == {"loop": {"loop-round1": 1, "loop-round2": 2}}
    first, second = (one["model"] for one in config["experiments"].values())
    assert (first["start_from"], first["load_from"]) == (None, "coco.pth")
    assert (second["start_from"], second["load_from"]) == ("loop-round1", None)


def test_who_validates_on_the_test_images_goes_on_to():
    splits = {"train": "a.txt", "val": "b.txt", "test": "b.txt"}
    config, _ = prepared(BASE | {"splits": splits})
    own = config["experiments"]["loop-round1"]["splits"]
    assert own["val"] == own["test"] == "data/round-1/splits/test.txt"


def test_a_base_belongs_to_the_first_campaign_with_rounds():
    """A grid or variants of it are others; they do not make it one of theirs."""
    variants = {"base": "cells", "variants": {"long": {"model": {"epochs": 9}}}}
    config = {
        "experiments": {"cells": BASE},
        "campaigns": {"other": variants, "loop": LOOP, "again": LOOP},
    }
    campaigns = prepare(copy.deepcopy(config))
    assert campaigns.of["cells"] == "loop" and campaigns.of["other-long"] == "other"
    assert campaigns.rounds["again"]["cells"] == 0
    assert campaigns.round_of("other-long") is None


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (LOOP | {"rounds": []}, "campaigns.loop.rounds: [] "),
        (LOOP | {"rounds": ["a", "a"]}, "campaigns.loop.rounds: ['a', 'a'] has non-un"),
        (LOOP | {"rounds": "data/round-1"}, "'data/round-1' is not of type 'array'"),
        (
            {"base": "cells", "variants": {"a": {}}, "from_scratch": True},
            "campaigns.loop: 'rounds' is a dependency of 'from_scratch'",
        ),
        (
            LOOP | {"variants": {"round1": {}}},
            "campaigns.loop: the name loop-round1 is in campaigns.loop too; rename one",
        ),
    ],
)
def test_a_wrong_round_is_one_line(campaign, expected):
    config = {"experiments": {"cells": BASE}, "campaigns": {"loop": campaign}}
    with pytest.raises(UsageError) as caught:
        prepare(config)
    assert expected in str(caught.value)


def starting(name: str | None, **model) -> dict:
    return {"data": BASE["data"], "model": {"start_from": name, **model}}


def test_what_cannot_be_started_from_is_one_line():
    place = "config, at experiments.a.model.start_from: "
    assert refused(a=starting("bb"), b=starting(None)) == (
        f"{place}there is no experiment bb; did you mean b?"
    )
    circle = "is a circle; start one from nothing"
    assert refused(a=starting("a")) == f"{place}a from a {circle}"
    assert refused(a=starting("b"), b=starting("c"), c=starting("a")) == (
        f"{place}a from b from c from a {circle}"
    )
    # The one that leads into a circle is not the one that is wrong.
    assert "experiments.b.model" in refused(a=starting("b"), b=starting("b"))
    assert refused(a=starting("b", load_from="x.pth"), b=starting(None)) == (
        f"{place}there is load_from, too; take one of them out"
    )


def test_each_round_waits_for_the_model_of_the_one_before(tmp_path):
    data = {"format": "opex", "annotations": "data/example", "images": "data/example"}
    for number in (1, 2):
        for part in ("train", "val", "test"):
            path = tmp_path / f"data/round-{number}/splits/{part}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (tmp_path / f"data/round-{number}/images").mkdir()
        (tmp_path / f"data/round-{number}/annotations.json").write_text("{}")
    config = {"experiments": {"cells": {"data": data}}, "campaigns": {"loop": LOOP}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run = snakemake(tmp_path, "-n")
    assert run.returncode == 0, run.stdout + run.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout, re.M))
    assert jobs["train_model"] == "3" and jobs["compare_rounds"] == "1"
    wanted = "results/loop-round1/model/checkpoint.pth"
    plan = snakemake(tmp_path, "-n", "-p", wanted).stdout
    assert "--load-from=results/cells/model/checkpoint.pth" in plan
    assert not re.search(r"--load-from=\S* .*--load-from", plan)
    recorded = snakemake(tmp_path, "-n", "-p", "results/loop-round1/run.json").stdout
    assert "--campaign=loop --round=1" in recorded


def done(words: str, *options, folder: Path) -> None:
    """Run a command to its end, for which a machine that does more takes long."""
    run = run_command(words, *options, cwd=folder, timeout=1500)
    assert run.returncode == 0, run.stderr[-3000:]


def draw_example(folder: Path, name: str, images: int, seed: int) -> None:
    drawn = ("--output", name, "--images", images, "--seed", seed)
    done("mmdet-flow start example", *drawn, folder=folder)


def label_round(folder: Path, number: int) -> None:
    """Predict, export, correct an image by hand, and join: a round of labelling."""
    new, found, own = f"data/new-{number}", f"done-{number}", f"rounds/{number}"
    draw_example(folder, new, 4, seed=50 + number)
    for path in (folder / new).glob("*.json"):
        path.unlink()  # what is known of them is what the model says
    model = ("--checkpoint", "results/cells/model/checkpoint.pth", "--score", "0.0001")
    places = ("--prediction_in", new, "--prediction_out", found, "--keep_input")
    done("mmdet-flow predict", *model, *places, folder=folder)
    # All are outlines: the model learns masks.
    export = ("--images", new, "--format", "labelme", "--shapes", "outlines")
    done("mmdet-flow label export", found, *export, "--output", own, folder=folder)
    place = f"{own}/labelme"
    corrected = sorted((folder / place).glob("*.json"))[0]
    shape = {"points": [[2, 2], [30, 2], [16, 30]], "shape_type": "polygon"}
    content = json.loads(corrected.read_text())
    corrected.write_text(json.dumps(content | {"shapes": [shape | {"label": "leaf"}]}))
    base = f"data/round-{number - 1}" if number > 1 else "results/cells"
    join = ("--annotations", place, "--images", place, "--format", "labelme")
    how = ("--reviewed", "--val", "0", "--output", f"data/round-{number}")
    done("mmdet-flow label join", base, *join, *how, folder=folder)


def run_workflow(folder: Path, config: dict) -> subprocess.CompletedProcess:
    write_config(folder, config)
    places = ("--snakefile", ROOT / "Snakefile", "--cores", "2")
    return run_command("snakemake", *places, cwd=folder, timeout=1500)


@pytest.mark.slow
def test_rounds_of_labelling_end_with_their_table(tmp_path):
    """Two rounds; all of them are measured on the test images of the first one."""
    draw_example(tmp_path, "data/example", 16, seed=0)
    base = copy.deepcopy(SMALL["experiments"]["example"])
    # Not in the order of their names: each round has to keep it.
    base["data"]["classes"] = ["shell", "pebble", "leaf"]
    base["evaluate"] = {"bootstrap": 20}
    config = {"experiments": {"cells": base}}
    assert run_workflow(tmp_path, config).returncode == 0
    for number in (1, 2):
        label_round(tmp_path, number)
    rounds = {"base": "cells", "rounds": ["data/round-1", "data/round-2"]}
    config["campaigns"] = {"loop": rounds}
    run = run_workflow(tmp_path, config)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "another test split" not in run.stderr
    results, names = tmp_path / "results", ["cells", "loop-round1", "loop-round2"]
    check_table(results, names)
    for before, name in itertools.pairwise(names):
        check_record(results, before, name, names.index(name))
    assert "Nothing to be done" in run_workflow(tmp_path, config).stderr


def check_table(results: Path, names: list[str]) -> None:
    with open(results / "rounds/loop.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["experiment"] for row in rows] == names
    assert len({row["test_set"] for row in rows}) == 1
    labelled = [int(row["labelled_images"]) for row in rows]
    assert labelled == [13, 17, 21]
    assert all(row["bbox_gain"] != "n/a" for row in rows[1:])
    with open(results / "leaderboard.csv", newline="") as stream:
        ranked = {row["experiment"]: row for row in csv.DictReader(stream)}
    assert [int(ranked[name]["labelled_images"]) for name in names] == labelled


def check_record(results: Path, before: str, name: str, number: int) -> None:
    first, record = (
        json.loads((results / one / "run.json").read_text()) for one in (before, name)
    )
    assert (record["campaign"], record["round"]) == ("loop", number)
    assert (first["campaign"], first["round"]) == ("loop", number - 1)
    assert record["classes"] == first["classes"]
    tested = [one["data"]["test"]["images_sha256"] for one in (first, record)]
    assert tested[0] == tested[1]
    weights = first["outputs"]["model/checkpoint.pth"]["sha256"]
    assert record["training"]["first_weights"]["sha256"] == weights
