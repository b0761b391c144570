"""What a config becomes before any rule asks it, and what is refused in it."""

import copy
import json
import math

import pytest

from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import config as configs
from mmdet_flow.workflow import presets, schema
from mmdet_flow.workflow.campaigns import Campaigns
from mmdet_flow.workflow.places import Places
from tests.conftest import parser_of
from tests.workflow.test_workflow import SMALL, snakemake, write_config

HERE = Places("results", "logs")


def small(**sections) -> dict:
    """Return a config with one experiment, and these sections of it changed."""
    config = copy.deepcopy(SMALL)
    for section, content in sections.items():
        config["experiments"]["example"].setdefault(section, {}).update(content)
    return config


def refused(config: dict) -> str:
    with pytest.raises(UsageError) as caught:
        configs.prepare(config)
    return str(caught.value)


def test_an_experiment_gets_every_key_of_the_schema():
    config = small(tiles={"size": 64})
    assert configs.prepare(config) == Campaigns()
    experiment = config["experiments"]["example"]
    for section, node in schema.sections().items():
        missing = node["properties"].keys() - experiment[section].keys()
        assert not missing, section
    assert experiment["model"]["epochs"] == 1  # as it was written
    assert experiment["model"]["batch_size"] == 4  # of the preset
    assert experiment["evaluate"]["bootstrap"] == 1000  # of the schema
    assert config["serve"]["options"] and config["track"]["enabled"] is True


def test_images_stay_whole_unless_tiles_are_asked_for():
    config = small()
    configs.prepare(config)
    assert config["experiments"]["example"]["tiles"] is None
    assert not configs.has_tiles(config["experiments"]["example"])


@pytest.mark.parametrize("sections", [{}, {"tiles": {"size": 64}}])
def test_preparing_changes_nothing_that_is_prepared(sections):
    config = small(**sections)
    configs.prepare(config)
    again = copy.deepcopy(config)
    configs.prepare(again)
    assert again == config


@pytest.mark.parametrize(
    ("model", "predict", "score"),
    [
        ({}, {}, "auto"),
        ({"train_on": "train"}, {"options": "--output_overlay"}, "auto"),
        ({"train_on": "trainval"}, {}, 0.3),  # there is nothing to choose by
        ({"train_on": "trainval"}, {"score": 0.5}, 0.5),
        ({}, {"score": 0.0}, 0.0),
    ],
)
def test_the_score_is_chosen_where_there_are_images_to_choose_it_by(
    model, predict, score
):
    config = small(model=model)
    config["experiments"]["example"]["predict"] = predict
    configs.prepare(config)
    assert config["experiments"]["example"]["predict"]["score"] == score


def test_the_score_that_nobody_chose_is_one_and_told_as_it_is():
    keys = schema.sections()["predict"]["properties"]
    assert f"the default is {DEFAULT_SCORE}." in keys["score"]["description"]
    for command in ("metrics", "gallery", "precision"):
        parser = parser_of(f"evaluate {command}")
        assert parser.get_default("score") == DEFAULT_SCORE
        assert f"(default: {DEFAULT_SCORE})" in parser.format_help()


def test_defaults_are_nobody_elses():
    """What is done to one experiment is not done to the next one."""
    config = small()
    config["experiments"]["b"] = copy.deepcopy(SMALL["experiments"]["example"])
    configs.prepare(config)
    config["experiments"]["example"]["data"]["policy"]["tiny-box"] = "drop"
    assert config["experiments"]["b"]["data"]["policy"] == {}
    other = small()
    configs.prepare(other)
    assert other["experiments"]["example"]["data"]["policy"] == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            small(model={"epoch": 3}),
            "config, at experiments.example.model: unknown key epoch; did you mean "
            "epochs?",
        ),
        (
            small(tiles={"overlap": 0.3}),
            "config, at experiments.example.tiles: 'size' is a required property",
        ),
        (
            small(tiles={"size": 64, "overlap": 1}),
            "config, at experiments.example.tiles.overlap: 1 is greater than or equal "
            "to the maximum of 1",
        ),
        (
            small(tiles={"size": 64, "scale": 8}),
            "config, at experiments.example.tiles: tile size 64 at scale 8: is 8 "
            "pixels of an image; 16 are the least",
        ),
        (
            small(tiles={"size": 64, "empties": 1}),
            "config, at experiments.example.tiles: unknown key empties; did you mean "
            "empty?",
        ),
        (
            small(model={"x" * 5000: 3}),
            f"config, at experiments.example.model: unknown key {'x' * 5000}; known: ",
        ),
        (
            small(data={"format": "vco"}),
            "config, at experiments.example.data.format: 'vco' is not one of",
        ),
        (
            small(data={"policy": {"too-small-to-learn": "drop"}}),
            "config, at experiments.example.data.policy: 'too-small-to-learn' is not",
        ),
        (
            small(model={"grow_from": "half"}),
            "config, at experiments.example.model.grow_from: 'half' is neither auto "
            "nor a number above 0 to 1",
        ),
        (
            small(predict={"max_failures": -1}),
            "config, at experiments.example.predict.max_failures: -1 is neither a "
            "whole number from 1 nor a number from 0 below 1",
        ),
        (
            small(data={"classes": "every"}),
            "config, at experiments.example.data.classes: 'every' is neither all nor "
            "a list",
        ),
        ({}, "config, at the top level: 'experiments' or 'campaigns' is a required"),
        ({"experiments": None}, "config, at experiments: None is not of type 'object'"),
        (
            {"experiments": {"tracking": SMALL["experiments"]["example"]}},
            "config, at experiments: 'tracking': results/ has files of that name",
        ),
        (
            small(predict={"score": "auto"}, model={"train_on": "trainval"}),
            "config, at experiments.example.predict.score: auto needs a validation",
        ),
        (
            small() | {"serve": {"experiment": "exampel"}},
            "config, at serve.experiment: there is no experiment exampel; did you mean "
            "example?",
        ),
        (
            small(predict={"options": "--score '0.3"}),
            "config, at experiments.example.predict.options: No closing quotation",
        ),
        (
            small(data={"images": "a/{b}"}),
            "config, at experiments.example.data.images: Snakemake would replace {",
        ),
    ],
)
def test_a_wrong_config_is_refused_with_its_place(config, expected):
    assert refused(copy.deepcopy(config)).startswith(expected)


def number_keys() -> list[tuple[str, str, bool]]:
    """Return section and key of each number, and whether it is a whole one."""
    found = []
    for section, node in schema.sections().items():
        for key, part in node["properties"].items():
            kinds = {kind for one in part.get("oneOf", [part]) for kind in types(one)}
            if kinds & {"integer", "number"}:
                found.append((section, key, "number" not in kinds))
    return found


def types(part: dict) -> list[str]:
    kinds = part.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 1e308, 10**400, -1, 0.5, 2.0, True]
)
@pytest.mark.parametrize(("section", "key", "is_whole"), number_keys())
def test_a_number_that_is_none_is_refused_with_its_place(section, key, is_whole, value):
    config = small(**({"tiles": {"size": 64}} if section == "tiles" else {}))
    config["experiments"]["example"].setdefault(section, {})[key] = value
    is_fraction = value in (0.5, 2.0) and value is not True
    if is_fraction and not is_whole:
        return  # some keys take it, and others say their limits
    said = refused(config)
    assert said.startswith(f"config, at experiments.example.{section}.{key}: ")
    assert "\n" not in said and len(said) < 200


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        (
            {"model": {"grow_from": math.nan}},
            "model.grow_from: nan is neither auto nor a number above 0 to 1",
        ),
        (
            {"splits": {"train_fraction": math.nan}},
            "splits.train_fraction: nan does not fit; give a number above 0 to 1",
        ),
        (
            {"model": {"hours": math.inf}},
            "model.hours: inf does not fit; give a number above 0 or null",
        ),
        (
            {"model": {"epochs": 30.0}},
            "model.epochs: 30.0 does not fit; give a whole number from 1",
        ),
        (
            {"splits": {"test": 1.5}},
            "splits.test: 1.5 is greater than or equal to the maximum of 1",
        ),
        (
            {"splits": {"folds": 3, "fold": 3}},
            "splits.fold: there is no fold 3 of 3; they count from 0 to 2",
        ),
    ],
)
def test_a_number_that_means_nothing_says_what_would(sections, expected):
    assert refused(small(**sections)) == f"config, at experiments.example.{expected}"


def test_the_values_of_a_campaign_are_numbers():
    grid = {"model.learning_rate": [0.1, math.nan]}
    config = small() | {"campaigns": {"cells": {"base": "example", "grid": grid}}}
    said = refused(config)
    assert said.startswith("config, at campaigns.cells.grid.model.learning_rate.1: nan")


def test_a_preset_is_held_to_the_schema(tmp_path, monkeypatch):
    (tmp_path / "odd.yaml").write_text("epochs: 3\ngrow_from: .nan\n")
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    with pytest.raises(UsageError) as caught:
        presets.of_preset("odd")
    assert str(caught.value) == (
        "presets/odd.yaml, at model.grow_from: nan is neither auto nor a number above "
        "0 to 1"
    )


def test_an_experiment_of_a_campaign_is_refused_with_both_places():
    grid = {"model.seed": [0, -1]}
    config = small() | {"campaigns": {"cells": {"base": "example", "grid": grid}}}
    assert refused(config).startswith(
        "config, at campaigns.cells, as experiments.cells-seed-1.model.seed: -1 is less"
    )


def test_folders_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    config = small(data={"images": "there"}, predict={"images": "nowhere"})
    configs.prepare(config)
    with pytest.raises(UsageError) as caught:
        configs.require_folders(config, HERE, None)
    assert str(caught.value) == (
        "config, at experiments.example.predict.images: there is no folder nowhere; "
        "correct the path"
    )
    (tmp_path / "nowhere").mkdir()
    configs.require_folders(config, HERE, None)


def test_each_round_trip_has_a_server_of_its_own():
    config = {"experiments": dict.fromkeys(("a", "b", "c"))}
    ports = {configs.round_trip_port(config, name) for name in config["experiments"]}
    assert len(ports) == 3


def test_a_wrong_config_stops_snakemake_with_one_line(tmp_path):
    write_config(tmp_path, small(model={"epoch": 3}))
    run = snakemake(tmp_path, "-n")
    said = run.stdout + run.stderr
    assert run.returncode == 1 and "Traceback" not in said
    place = "config, at experiments.example.model: "
    assert f"{place}unknown key epoch; did you mean epochs?\n" in said


def test_a_config_in_json_has_no_nan(tmp_path):
    """Which is a text in YAML, and a number in Snakemake's JSON."""
    content = json.dumps(small(model={"grow_from": math.nan}))
    (tmp_path / "config.yaml").write_text(content)
    run = snakemake(tmp_path, "-n")
    said = run.stdout + run.stderr
    assert run.returncode == 1 and "Traceback" not in said
    assert "config, at experiments.example.model.grow_from: nan is neither" in said


def test_the_record_of_a_config_is_plain_json():
    config = small()
    configs.prepare(config)
    assert json.loads(json.dumps(config)) == config
