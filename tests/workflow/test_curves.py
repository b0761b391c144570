"""Learning curves: campaigns over the fraction of the training images that is used."""

import copy
import csv
import re

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import files, options
from mmdet_flow.workflow.config import prepare
from mmdet_flow.workflow.sharing import find_converted
from tests.workflow.test_rounds import draw_example
from tests.workflow.test_workflow import SMALL, snakemake, write_config

EXAMPLE = SMALL["experiments"]["example"]
GRID = {"splits.train_fraction": [0.25, 0.5, 1], "model.seed": [0, 1]}
FEW = ("few", "all")
NAMES = [f"curve-train_fraction{n}-seed{s}" for n in (0.25, 0.5, 1) for s in (0, 1)]


def prepared(**campaigns: dict) -> tuple:
    """Return the experiments and the campaigns of a config."""
    base = {"base": copy.deepcopy(EXAMPLE)}
    config = {"campaigns": {name: base | one for name, one in campaigns.items()}}
    found = prepare(config)
    return config["experiments"], found


def test_a_campaign_over_fractions_is_a_curve_and_others_are_none():
    half = {"splits": {"train_fraction": 0.5}}
    experiments, campaigns = prepared(
        curve={"grid": GRID},
        seeds={"grid": {"model.seed": [0, 1]}},
        same={"variants": {"a": half, "b": half}},
        # Rounds learn from all, and have a table of their own.
        loop={"base": EXAMPLE | half, "rounds": ["r1", "r2"]},
    )
    assert campaigns.curves == {"curve": NAMES}
    assert experiments["loop-round1"]["splits"]["train_fraction"] == 1
    made = files.of_campaigns(campaigns)
    wanted = [f"<results>/curves/curve.{end}" for end in ("csv", "png")]
    assert [path for path in made if "/curves/" in path] == wanted
    config = {"experiments": experiments, "track": {"enabled": False}}
    assert set(wanted) < set(files.last(config, made))
    named = {"experiments": {"cells": EXAMPLE | half}}
    rounds = {"campaigns": {"loop": {"base": "cells", "rounds": ["r1"]}}}
    assert prepare(copy.deepcopy(named | rounds)).curves == {}


def test_experiments_of_a_curve_convert_once_and_split_by_their_fraction():
    experiments, _ = prepared(curve={"grid": GRID})
    assert find_converted(experiments) == dict.fromkeys(NAMES, NAMES[0])
    words = {name: options.splitting(one) for name, one in experiments.items()}
    assert "--train-fraction=0.25" in words[NAMES[0]] == words[NAMES[1]]
    # Those who use all have the command that they had before.
    assert not [word for word in words[NAMES[4]] if "fraction" in word]


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5, "half"])
def test_a_fraction_that_is_none_is_one_line(fraction):
    with pytest.raises(UsageError, match="train_fraction"):
        prepared(curve={"grid": {"splits.train_fraction": [fraction]}})


def test_a_curve_is_in_the_dry_run(tmp_path):
    campaigns = {"curve": {"base": EXAMPLE, "grid": GRID}}
    write_config(tmp_path, {"campaigns": copy.deepcopy(campaigns)})
    run = snakemake(tmp_path, "-n")
    assert run.returncode == 0, run.stdout + run.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout, re.M))
    assert jobs["split_dataset"] == jobs["train_model"] == "6"
    assert jobs["convert_annotations"] == "1" and jobs["reuse_dataset"] == "5"
    assert jobs["draw_learning_curve"] == "1" and "compare_rounds" not in jobs
    (rule,) = re.findall(r"rule draw_learning_curve:\n(?:.+\n)+", run.stdout)
    assert "output: results/curves/curve.csv, results/curves/curve.png" in rule
    # The config is written with its keys in order, so the seed comes first.
    for seed in (0, 1):
        name = f"curve-seed{seed}-train_fraction0.25"
        assert f"results/{name}/evaluation/detections.json" in rule
        assert f"results/{name}/dataset/images.csv" in rule


def test_another_fraction_repeats_the_split_and_nothing_before(tmp_path):
    def dry(**fractions: float) -> list[tuple]:
        run = snakemake(tmp_path, *("-n", "--", *written(**fractions)))
        assert run.returncode == 0, run.stdout + run.stderr
        return re.findall(r"^rule (\w+):\n(?:.+\n)*?.+results/(\w+)/", run.stdout, re.M)

    def written(**fractions: float) -> list[str]:
        experiments = {
            name: EXAMPLE | ({"splits": {"train_fraction": one}} if one else {})
            for name, one in fractions.items()
        }
        write_config(tmp_path, {"experiments": copy.deepcopy(experiments)})
        made = ("splits/train.json", "card/card.json", "model/base.py")
        return [f"results/{name}/{file}" for name in experiments for file in made]

    run = snakemake(tmp_path, "--", *written(few=0.25, all=None))
    assert run.returncode == 0, run.stdout + run.stderr
    val, test = (
        [(tmp_path / f"results/{name}/splits/{part}.json").read_bytes() for name in FEW]
        for part in ("val", "test")
    )
    assert val[0] == val[1] and test[0] == test[1]
    assert dry(few=0.25, all=1) == dry(few=0.25, all=1.0) == []
    changed = dry(few=0.5, all=1)
    assert sorted(changed) == [("describe_dataset", "few"), ("split_dataset", "few")]


@pytest.mark.slow
def test_a_campaign_ends_with_its_learning_curve(tmp_path):
    draw_example(tmp_path, "data/example", 20, seed=0)
    base = copy.deepcopy(EXAMPLE) | {"evaluate": {"bootstrap": 20}}
    grid = {"splits.train_fraction": [0.3, 0.6, 1]}
    write_config(tmp_path, {"campaigns": {"curve": {"base": base, "grid": grid}}})
    cards = [f"results/curve-train_fraction{one}/model/card.md" for one in (0.3, 1)]
    run = snakemake(tmp_path, "--", "results/curves/curve.csv", *cards)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "curve, boxes: 30 more labelled images" in run.stderr
    results = tmp_path / "results"
    with open(results / "curves/curve.csv", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "measured"]
    lists = {
        part: (results / f"curve-train_fraction1/splits/{part}.txt").read_text()
        for part in ("train", "val")
    }
    train, val = (len(text.splitlines()) for text in lists.values())
    wanted = [round(one * train) + val for one in (0.3, 0.6, 1)]
    assert [int(row["labelled_images"]) for row in rows] == wanted
    assert {row["runs"] for row in rows} == {"1"}
    assert (results / "curves/curve.png").is_file()
    part, whole = ((tmp_path / card).read_text() for card in cards)
    assert f"Left out of it: {wanted[2] - wanted[0]} labelled images" in part
    assert "left out of the training" not in whole
    assert "Nothing to be done" in snakemake(tmp_path, "--", *cards).stderr
