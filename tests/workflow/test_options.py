"""Words of command lines: which key goes where, and how it is written."""

import copy
import re
import shlex
from itertools import takewhile

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.workflow import options, schema
from mmdet_flow.workflow.config import prepare
from tests.conftest import run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

NOT_OPTIONS = {
    # Inputs of rules, or what Snakemake itself looks at.
    *("data.annotations", "data.images", "data.license", "predict.images"),
    *("model.train_on", "model.base", "model.preset", "model.start_from"),
    "track.enabled",
    # Several words, and what is computed of a key.
    *("predict.options", "serve.options", "serve.experiment", "model.nodes"),
}
"""Keys that are no option of a command; all others are."""

UNDERSCORES = ("predict_images", "serve", "answer_round_trip")
"""Rules whose commands are those of the reference image, with options as it has."""

UNASKED = ("classes", "group_column", "train_fraction")
"""Keys whose default is nothing to tell a command."""


def example(**sections) -> dict:
    """Return the example with all keys, and these sections changed."""
    config = copy.deepcopy(SMALL)
    for section, content in sections.items():
        config["experiments"]["example"].setdefault(section, {}).update(content)
    prepare(config)
    return config["experiments"]["example"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, []),
        (False, []),
        (True, ["--a-key"]),
        (0, ["--a-key=0"]),  # no is a value
        (0.5, ["--a-key=0.5"]),
        ("", ["--a-key="]),
        ("two words", ["--a-key=two words"]),
        ("-x", ["--a-key=-x"]),
        ([], []),
        (["b", "a"], ["--a-key=b", "--a-key=a"]),
        ({"b": "drop", "a": 1}, ["--a-key=b=drop", "--a-key=a=1"]),
    ],
)
def test_a_value_is_words(value, words):
    assert options.option("a_key", value) == words
    assert options.option("a_key", value, dash="_") == [
        word.replace("--a-key", "--a_key", 1) for word in words
    ]


def test_each_key_is_an_option_or_known_to_be_none():
    named = {
        f"{section}.{key}": part.get("option_of", ())
        for section, node in (schema.sections() | schema.schema()["properties"]).items()
        for key, part in node.get("properties", {}).items()
    }
    assert {key for key, rules in named.items() if not rules} == NOT_OPTIONS


def test_each_rule_that_the_schema_names_takes_the_options(tmp_path):
    """Its command lists them in its help, and a dry run has them on its line."""
    config = copy.deepcopy(SMALL)
    config["experiments"]["example"]["tiles"] = {"size": 64, "full_image": True}
    config["experiments"]["example"]["model"]["pretrained"] = True
    write_config(tmp_path, config)
    lines = {}
    for target in ("all", "results/example/serving/round_trip.txt", "serve"):
        shown = snakemake(tmp_path, "-n", "-p", "--", target)
        assert shown.returncode == 0, shown.stdout
        jobs = re.findall(
            r"^ *(?:local)?(?:rule|checkpoint) (\w+):$.*?^Shell command: (.*?)$",
            shown.stdout,
            re.M | re.S,
        )
        # Snakemake has run what waits for a service twice.
        assert [rule for rule, _ in jobs].count("round_trip") <= 1
        lines |= jobs
    every = schema.sections() | schema.schema()["properties"]
    rules = {
        rule
        for node in every.values()
        for part in node.get("properties", {}).values()
        for rule in part.get("option_of", ())
    }
    assert rules <= lines.keys()
    for rule in sorted(rules):
        dash = "_" if rule in UNDERSCORES else "-"
        line = re.search(r"\bmmdet.*?(?= 2?>| &&|$)", lines[rule])[0]
        command, *words = takewhile(lambda word: word[0] != "-", shlex.split(line))
        text = run_command(command, *words, "--help").stdout
        for section, key in schema.options_of(rule):
            option = f"--{schema.option_name(section, key).replace('_', dash)}"
            assert re.search(rf"{option}\b", text), f"{rule}: {option}"
            node = every[section]["properties"][key]
            if node.get("default") and key not in UNASKED:
                assert re.search(rf"{option}=", line), f"{rule}: {option}"


def test_the_words_of_the_commands_are_those_of_the_config():
    experiment = example(
        data={"classes": ["b", "a"], "policy": {"tiny-box": "drop"}},
        splits={"train": "t.txt", "val": "v.txt", "test": "e.txt"},
        model={"pretrained": True, "nodes": 2, "patience": 3},
        predict={"score": 0.5, "options": "--x 'a b'"},
    )
    words = options.conversion(experiment)
    assert {"--classes=b", "--classes=a", "--policy=tiny-box=drop"} <= set(words)
    assert [word for word in words if word.startswith("--lists")] == [
        *("--lists=t.txt", "--lists=v.txt", "--lists=e.txt")
    ]
    assert {"--pretrained", "--processes=2"} <= set(options.patch(experiment))
    assert {"--patience=3", "--launcher=slurm"} <= set(options.training(experiment))
    assert options.prediction(experiment) == [
        *("--score=0.5", "--prediction_format=both", "--x", "a b")
    ]


def test_the_section_of_tiles_becomes_options_with_its_prefix():
    tiled = example(tiles={"size": 640, "overlap": 0.25})
    tiles = ["--tile-size=640", "--tile-overlap=0.25", "--tile-scale=1.0"]
    for rule in ("choose_thresholds", "evaluate_model", "pack_model"):
        assert [w for w in options.of_rule(rule, tiled) if "tile" in w] == tiles
    cut = ["--seed=0", *tiles, "--tile-min-visible=0.3", "--tile-empty=0.1"]
    assert options.of_rule("cut_tiles", tiled) == cut
    predicted = ["--tile_size=640", "--tile_overlap=0.25", "--tile_scale=1.0"]
    for words in (options.prediction, options.serving, options.round_trip):
        assert [w for w in words(tiled) if "tile" in w] == predicted
    whole = example(tiles={"size": 640, "full_image": True})
    assert "--tile_full_image" in options.prediction(whole)


def test_no_tiles_are_no_option():
    plain = example()
    assert plain["tiles"] is None
    for rule in ("cut_tiles", "evaluate_model", "pack_model", "describe_dataset"):
        assert not [w for w in options.of_rule(rule, plain) if "tile" in w]
    assert not [w for w in options.serving(plain) if "tile" in w]


def test_what_is_left_out_is_no_word():
    words = options.conversion(example())
    assert not [word for word in words if "classes" in word or "lists" in word]
    assert "--pretrained" not in options.patch(example())
    assert "--launcher=slurm" not in options.training(example())


def test_keys_that_nothing_asks_for_are_no_change():
    """A fold without folds, and a column without a file, divide nothing anew."""
    plain = options.splitting(example())
    assert options.splitting(example(splits={"fold": 1, "group_column": "x"})) == plain
    folds = options.splitting(example(splits={"folds": 3, "fold": 1}))
    assert {"--folds=3", "--fold=1"} <= set(folds)
    grouped = options.splitting(example(splits={"group_file": "g.csv"}))
    assert {"--group-file=g.csv", "--group-column=group"} <= set(grouped)


def functions() -> dict:
    """Return, for each rule of an experiment, the function of its words."""
    special = {
        "convert_annotations": options.conversion,
        "split_dataset": options.splitting,
        "patch_config": options.patch,
        "train_model": options.training,
        "predict_images": options.prediction,
        "serve": options.serving,
        "answer_round_trip": options.round_trip,
    }
    rules = {
        rule
        for node in schema.sections().values()
        for part in node["properties"].values()
        for rule in part.get("option_of", ())
    }
    return {
        rule: special.get(rule, lambda one, rule=rule: options.of_rule(rule, one))
        for rule in rules
    }


CHANGES = {
    "model.image_size": 64,
    "model.seed": 5,
    "model.patience": 9,
    "data.min_objects": 3,
    "splits.seed": 4,
    "evaluate.recall": 0.5,
    "evaluate.bootstrap": 7,
    "predict.score": 0.7,
    "predict.max_failures": 3,
    "predict.images_per_shard": 99,
    "tiles.size": 65,
    "tiles.scale": 2.0,
    "tiles.full_image": True,
    "tiles.min_visible": 0.5,
    "tiles.empty": 1.0,
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_changed_value_changes_the_words_of_its_rules_alone(changed):
    section, key = changed.split(".")
    kept = {"size": 64} if section == "tiles" else {}
    before = example(**{section: kept})
    after = example(**{section: kept | {key: CHANGES[changed]}})
    others = {
        rule for rule, words in functions().items() if words(before) != words(after)
    }
    assert others == set(schema.sections()[section]["properties"][key]["option_of"]) & (
        functions().keys()
    )


def test_the_service_may_have_a_score_of_its_own():
    experiment = example(tiles={"size": 640}, predict={"score": "auto"})
    words = options.serving(experiment, "--embedded_redis")
    assert words == options.serving(experiment) and "--score=auto" in words
    own = options.serving(experiment, "--embedded_redis --score 0.5")
    assert own == [word for word in words if word != "--score=auto"] != []


@pytest.mark.parametrize(
    ("words", "section", "left", "right"),
    [
        (options.patch, "model", {"seed": 1, "nodes": 2}, {"seed": 2, "nodes": 1}),
        (
            *(lambda one: options.of_rule("choose_thresholds", one), "evaluate"),
            *({"recall": 0.8, "precision": 0.9}, {"recall": 0.9, "precision": 0.8}),
        ),
        (
            *(options.splitting, "splits"),
            *({"val": "a.txt", "test": "b.txt"}, {"val": "b.txt", "test": "a.txt"}),
        ),
    ],
)
def test_values_that_are_exchanged_are_a_change(words, section, left, right):
    """Snakemake compares params as a set: each list of words is one of them."""
    one, other = (words(example(**{section: change})) for change in (left, right))
    assert one != other


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("", []),
        ("--batch_size 2 --max_pixels 9", ["--max-pixels=9"]),
        (["--max_pixels=9", "--max_pixels=10"], ["--max-pixels=10"]),
        ("--max_pixels", []),  # prediction says what is wrong
    ],
)
def test_what_may_be_predicted_may_be_drawn(own, words):
    assert options.drawing(example(predict={"options": own})) == words


def test_a_text_of_options_is_divided_as_by_a_shell():
    text = "--output_overlay --prediction_suffix '-my file.json' \"$(touch marker)\""
    words = ["--output_overlay", "--prediction_suffix", "-my file.json"]
    assert options.words_of(text) == [*words, "$(touch marker)"]
    assert options.words_of(["a b", "-x"]) == ["a b", "-x"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--max_failures 3", "--max_failures has a key, predict.max_failures"),
        (["--max_failures=3"], "--max_failures has a key, predict.max_failures"),
        ("--score 0.5", "--score has a key, predict.score, which"),
        (["--score=auto"], "--score has a key, predict.score, which"),
        ("--thresholds t.json", "--thresholds has a key, predict.score: auto"),
        ("--prediction_out x", "--prediction_out is set by the workflow"),
        ("--score '0.3", "No closing quotation; close the quotes"),
    ],
)
def test_options_that_are_not_the_users_are_refused(words, expected):
    config = {
        "experiments": {"a": {"predict": {"options": words}}},
        "serve": {"options": ""},
    }
    with pytest.raises(UsageError, match=expected):
        options.require_options(config)


def test_files_among_options_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").touch()
    (tmp_path / "b c").touch()
    words = ["--x=a.json", "b c", "--y", "a" * 5000, "--z=\0", "none.json"]
    assert [path.name for path in options.files_among(words)] == ["a.json", "b c"]
