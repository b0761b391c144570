"""Experiments that campaigns make: as plain Python, and in dry runs."""

import copy
import csv
import re

import pytest
import yaml

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow.campaigns import MOST, expand_campaigns
from mmdet_flow.workflow.config import prepare
from tests.conftest import ROOT, run_command

DATA = {"format": "opex", "annotations": "data/example", "images": "data/example"}
KEYS = ("data.glob", "model.seed", "model.augment", "model.base", "model.pretrained")
TINY = {"model": {"base": "rtmdet_tiny_8xb32-300e_coco"}}
NINE = {str(number): {} for number in range(9)}
YOLOX = {"model": {"base": "yolox_tiny_8xb8-300e_coco"}}


def expand(campaigns, **experiments):
    """Return the experiments of a config, and which campaign they are of."""
    experiments = experiments or {"bccd": {"data": DATA, "model": {"epochs": 5}}}
    config = {"experiments": experiments, "campaigns": campaigns}
    made = expand_campaigns(config, KEYS)
    assert "campaigns" not in config
    return config["experiments"], made.of


def test_each_combination_is_an_experiment_in_the_order_of_the_config():
    grid = {"network": {"tiny": TINY, "yolox": YOLOX}, "model.seed": [0, 1]}
    experiments, campaign_of = expand({"cells": {"base": "bccd", "grid": grid}})
    assert list(experiments) == [
        *("bccd", "cells-tiny-seed0", "cells-tiny-seed1"),
        *("cells-yolox-seed0", "cells-yolox-seed1"),
    ]
    assert experiments["cells-yolox-seed1"] == {
        "data": DATA,
        "model": {"epochs": 5, "base": "yolox_tiny_8xb8-300e_coco", "seed": 1},
    }
    assert experiments["bccd"] == {"data": DATA, "model": {"epochs": 5}}
    assert set(campaign_of) == set(experiments) - {"bccd"}


def test_variants_are_picked_by_hand_and_a_base_may_be_written_there():
    variants = {"long": {"model": {"epochs": 50}}, "south": {"data": {"images": "s"}}}
    content = {"base": {"data": DATA}, "variants": variants}
    config = {"campaigns": {"cells": content}}
    before = copy.deepcopy(content)
    expand_campaigns(config, KEYS)
    experiments = config["experiments"]
    assert list(experiments) == ["cells-long", "cells-south"]
    assert experiments["cells-south"] == {"data": DATA | {"images": "s"}}
    assert content == before  # what one changes, no other sees


def test_tiles_may_be_an_axis_and_taken_away():
    model = {"preset": "small-boxes"}
    base = {"data": DATA, "model": model, "tiles": {"size": 640, "empty": 0.5}}
    content = {
        "base": base,
        "grid": {"tiles.size": [320, 512]},
        "variants": {"whole": {"tiles": None}, "far": {"tiles": {"overlap": 0.5}}},
    }
    config = {"campaigns": {"slides": content}}
    prepare(config)
    made = {name: one["tiles"] for name, one in config["experiments"].items()}
    assert made["slides-whole"] is None
    assert made["slides-size320"]["size"] == 320
    assert made["slides-size512"]["empty"] == 0.5
    assert made["slides-far"]["size"] == 640 and made["slides-far"]["overlap"] == 0.5
    # A base without them may get them.
    del base["tiles"]
    content["variants"] = {"cut": {"tiles": {"size": 64}}}
    config = {"campaigns": {"slides": content}}
    prepare(config)
    assert config["experiments"]["slides-cut"]["tiles"]["overlap"] == 0.2


@pytest.mark.parametrize(
    ("axis", "names"),
    [
        ({"model.seed": [3, 10]}, ["seed3", "seed10"]),
        ({"model.augment": ["light", "recipe"]}, ["augment-light", "augment-recipe"]),
        ({"model.pretrained": [True, False]}, ["pretrained-true", "pretrained-false"]),
        ({"data.glob": [None]}, ["glob-null"]),
    ],
)
def test_values_of_a_key_name_their_experiments(axis, names):
    experiments, _ = expand({"cells": {"base": "bccd", "grid": axis}})
    assert list(experiments)[1:] == [f"cells-{name}" for name in names]


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (
            {"base": "bcd", "variants": {"a": TINY}},
            "campaigns.cells.base: there is no experiment bcd; did you mean bccd?",
        ),
        (
            {"base": "bccd", "grid": {"seed": [0, 1]}},
            "campaigns.cells.grid: unknown key seed; did you mean model.seed?",
        ),
        (
            {"base": "bccd", "grid": {"model.sed": [0, 1]}},
            "campaigns.cells.grid: unknown key model.sed; did you mean model.seed?",
        ),
        (
            {"base": "bccd", "grid": {"model.base": ["a/b.py"]}},
            "campaigns.cells.grid.model.base: a/b.py cannot be part of a name; give",
        ),
        (
            {
                "base": "bccd",
                "grid": {"n": {"a": {"model": {"seed": 3}}}, "model.seed": [0]},
            },
            "campaigns.cells.grid: a and seed0 both change model.seed; leave it to",
        ),
        (
            {"base": "bccd", "grid": {f"x{n}": NINE for n in range(9)}},
            f"campaigns.cells.grid: 387420489 combinations, over {MOST}; take fewer",
        ),
        (
            {"base": "bccd", "grid": {"n": {"a": TINY}}, "variants": {"a": YOLOX}},
            "campaigns.cells: the name cells-a is in campaigns.cells too; rename one",
        ),
    ],
)
def test_a_wrong_campaign_is_one_line(campaign, expected):
    with pytest.raises(UsageError) as caught:
        expand({"cells": campaign})
    assert expected in str(caught.value)


def test_the_name_of_an_experiment_is_not_taken():
    bccd = {"data": DATA}
    with pytest.raises(UsageError, match="cells-a is in experiments too"):
        expand(
            {"cells": {"base": "bccd", "variants": {"a": TINY}}},
            **{"bccd": bccd, "cells-a": bccd},
        )


def dry_run(folder, campaigns, *options, **experiments):
    """Run snakemake -n on a config with these campaigns."""
    sections = {"experiments": experiments or {"bccd": {"data": DATA}}}
    text = yaml.safe_dump(sections | {"campaigns": campaigns}, sort_keys=False)
    (folder / "config.yaml").write_text(text)
    return run_command(
        *("snakemake", "--snakefile", ROOT / "Snakefile", "-n", "--cores", "2"),
        *options,
        cwd=folder,
    )


def test_all_are_in_one_dry_run_and_convert_once(tmp_path):
    """Other networks and other sizes of the images in them are no other data."""
    grid = {"network": {"tiny": TINY, "yolox": YOLOX}, "model.image_size": [64, 96]}
    run = dry_run(tmp_path, {"cells": {"base": "bccd", "grid": grid}})
    assert run.returncode == 0, run.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout, re.M))
    assert jobs["train_model"] == jobs["evaluate_model"] == "5"
    assert jobs["convert_annotations"] == "1" and jobs["reuse_dataset"] == "4"
    assert jobs["rank_experiments"] == "1"


@pytest.mark.parametrize(
    ("campaign", "expected"),
    [
        (
            {"base": "bccd", "gird": {}, "variants": {"a": TINY}},
            "config, at campaigns.cells: unknown key gird; did you mean grid?",
        ),
        (
            {"base": "bccd", "variants": {"a": {"modle": {}}}},
            "config, at campaigns.cells.variants.a: unknown key modle; did you mean",
        ),
        (
            {"base": "bccd", "grid": {"n": {"a": {"model": {"epoch": 3}}}}},
            "config, at campaigns.cells.grid.n.a.model: unknown key epoch; did you",
        ),
        (
            {"base": "bccd", "grid": {"model.seed": [0, -1]}},
            "config, at campaigns.cells, as experiments.cells-seed-1.model.seed: -1",
        ),
        (
            {"base": {"data": {"format": "voc"}}, "variants": {"a": TINY}},
            "config, at campaigns.cells, as experiments.cells-a.data: 'annotations' is",
        ),
        (
            {"base": "bccd"},
            "config, at campaigns.cells: 'grid' or 'variants' or 'rounds' is a req",
        ),
        (
            {"base": "bccd", "grid": {"model.seed": [[1]]}},
            "config, at campaigns.cells.grid.model.seed.0: [1] is not of type",
        ),
    ],
)
def test_a_campaign_that_does_not_fit_the_schema_is_refused_with_its_place(
    campaign, expected
):
    config = {"experiments": {"bccd": {"data": DATA}}, "campaigns": {"cells": campaign}}
    with pytest.raises(UsageError) as caught:
        prepare(config)
    assert str(caught.value).startswith(expected)


@pytest.mark.slow
def test_a_campaign_ends_with_its_leaderboard_and_a_comparison(tmp_path):
    model = {"base": "rtmdet_tiny_8xb32-300e_coco", "image_size": 96, "epochs": 1}
    model["cfg_options"] = ["model.test_cfg.score_thr=0.0001"]
    base = {"data": DATA, "model": model, "evaluate": {"bootstrap": 20}}
    content = {"base": base, "grid": {"model.seed": [0, 1]}}
    config = yaml.safe_dump({"campaigns": {"small": content}})
    (tmp_path / "config.yaml").write_text(config)
    run_command(
        "mmdet-flow start example",
        "--output",
        tmp_path / "data/example",
        "--images",
        "20",
    )
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]
    results = tmp_path / "results"
    first, second = (results / f"small-seed{seed}" for seed in (0, 1))
    for name in ("dataset/annotations.json", "splits/test.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert not (second / "logs/convert_annotations.log").exists()
    with open(results / "leaderboard.csv", newline="") as stream:
        group, *members = csv.DictReader(stream)
    assert (group["group"], group["n"]) == ("small", "2")
    assert {row["experiment"] for row in members} == {first.name, second.name}
    assert all(float(row["train_minutes"]) > 0 for row in members)
    assert all(float(row["images_per_second"]) > 0 for row in members)
    page = f"results/{first.name}/compared/{second.name}/comparison.html"
    assert snakemake(tmp_path, page).returncode == 0
    assert "randomness.seed" in (tmp_path / page).read_text()
    again = snakemake(tmp_path)
    assert "Nothing to be done" in again.stderr
    # What the second reused must not make the first look older than it is.
    (second / "model/checkpoint.pth").unlink()
    repeated = snakemake(tmp_path, "-n", "--quiet", "rules").stdout
    assert re.search(r"^train_model +1$", repeated, re.M)
    assert "convert_annotations" not in repeated


def snakemake(folder, *options):
    return run_command(
        *("snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder),
        *("--cores", "2", *options),
    )
