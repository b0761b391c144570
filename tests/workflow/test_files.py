"""The files of an experiment: which a config has, and that rules make all of them."""

import copy
import re

import pytest

from mmdet_flow.workflow import files
from mmdet_flow.workflow.config import prepare
from tests.workflow.test_workflow import SMALL, snakemake, write_config

NOTHING = []


def prepared(*names: str, **sections) -> dict:
    """Return a config of these experiments, with sections that are changed in all."""
    config = {"experiments": {}}
    for name in names:
        experiment = copy.deepcopy(SMALL["experiments"]["example"])
        for section, content in sections.items():
            experiment.setdefault(section, {}).update(content)
        config["experiments"][name] = experiment
    prepare(config)
    return config


@pytest.mark.parametrize("sections", [{}, {"tiles": {"size": 64}}])
def test_what_the_workflow_asks_for_is_made_by_a_rule(tmp_path, sections):
    """Snakemake plans a job for each; a file that no rule makes would be an error."""
    written = copy.deepcopy(SMALL)
    written["experiments"]["example"] |= sections
    write_config(tmp_path, written)
    config = prepared("example", **sections)
    wanted = {
        *files.of_stages(config),
        *files.recorded(config, "example", [0]),
        *files.compared(config, "example"),
        *files.training_splits(config, "example"),
        files.training_images(config, "example"),
        files.training_pixels(config, "example"),
        files.counted(config, "example"),
        *files.trained_on(config, "example"),
        *files.list_to_predict(config, "example"),
    }
    targets = [path.replace("<results>", "results") for path in wanted]
    run = snakemake(tmp_path, "-n", "--", *targets)
    assert run.returncode == 0, run.stdout
    made = ", ".join(re.findall(r"^ +(?:output|benchmark): (.*)$", run.stdout, re.M))
    assert set(targets) <= {part.split(" (")[0] for part in made.split(", ")}


def test_an_experiment_without_validation_has_no_thresholds():
    config = prepared("a", model={"train_on": "trainval"})
    assert files.thresholds_if_any(config, "a") == NOTHING
    assert files.validated_on(config, "a") == NOTHING
    assert files.trained_on(config, "a") == ["<results>/a/splits/trainval.json"]
    assert not [path for path in files.of_stages(config) if "thresholds" in path]
    config = prepared("a")
    assert files.thresholds_if_any(config, "a") == [
        "<results>/a/evaluation/thresholds.json"
    ]
    assert files.validated_on(config, "a") == ["<results>/a/splits/val.json"]
    assert files.trained_on(config, "a") == ["<results>/a/splits/train.json"]


def test_a_training_on_tiles_sees_nothing_else():
    tiled = prepared("a", tiles={"size": 64})
    plain = prepared("a")
    folder = "<results>/a"
    for config, place in ((plain, f"{folder}/splits"), (tiled, f"{folder}/tiles")):
        assert files.trained_on(config, "a") == [f"{place}/train.json"]
        assert files.validated_on(config, "a") == [f"{place}/val.json"]
        assert files.compared_on(config, "a") == [f"{place}/val.json"]
        assert files.training_splits(config, "a") == [
            f"{place}/{split}.json" for split in ("train", "val", "trainval")
        ]
    assert files.training_images(tiled, "a") == f"{folder}/tiles/images"
    assert files.training_pixels(tiled, "a") == f"{folder}/tiles/images.csv"
    assert files.counted(tiled, "a") == f"{folder}/tiles/images"
    assert files.training_images(plain, "a") == f"{folder}/dataset/images"
    assert files.training_pixels(plain, "a") == f"{folder}/dataset/images.csv"
    assert files.counted(plain, "a") == f"{folder}/splits/train.txt"
    # The test is on whole images, whose folder is another one then.
    assert files.test_images(tiled, "a") == [f"{folder}/dataset/images"]
    assert files.test_images(plain, "a") == NOTHING
    both = prepared("a", tiles={"size": 64}, model={"train_on": "trainval"})
    assert files.trained_on(both, "a") == [f"{folder}/tiles/trainval.json"]
    assert files.validated_on(both, "a") == NOTHING
    report = f"{folder}/tiles/report.json"
    assert report in files.compared(tiled, "a") and report in files.recorded(
        tiled, "a", []
    )
    assert not [path for path in files.recorded(plain, "a", []) if "/tiles/" in path]


def test_thresholds_are_an_input_where_the_score_is_theirs():
    thresholds = ["<results>/a/evaluation/thresholds.json"]
    auto = prepared("a", predict={"score": "auto"})
    assert files.thresholds_to_use(auto, "a") == thresholds
    assert files.thresholds_to_serve(auto, "a") == thresholds
    assert (
        files.thresholds_to_use(prepared("a", predict={"score": 0.3}), "a") == NOTHING
    )
    # The service may have a score of its own.
    auto["serve"]["options"] = "--embedded_redis --score=0.5"
    assert files.thresholds_to_use(auto, "a") == thresholds
    assert files.thresholds_to_serve(auto, "a") == NOTHING


def test_images_of_the_user_are_not_listed_by_a_split():
    assert files.list_to_predict(prepared("a"), "a") == ["<results>/a/splits/test.txt"]
    own = prepared("a", predict={"images": "new"})
    assert files.list_to_predict(own, "a") == NOTHING


def test_all_experiments_end_together():
    config = prepared("a", "b")
    last = files.last(config)
    assert {"<results>/a/run.json", "<results>/b/run.json"} <= set(last)
    assert {"<results>/tracking/a.json", "<results>/leaderboard.csv"} <= set(last)
    stages = files.of_stages(config)
    assert set(last) < set(stages)
    assert {"<results>/a/model/a.zip", "<results>/b/failures.txt"} <= set(stages)


def test_one_experiment_has_no_leaderboard_and_tracking_can_be_left_out():
    config = prepared("a")
    config["track"]["enabled"] = False
    last = files.last(config)
    assert not [path for path in last if "leaderboard" in path or "tracking" in path]


def test_files_of_shards_are_those_of_each_shard():
    assert files.of_shards("a", ("x/{shard}.csv", "y-{shard}"), [0, 10]) == [
        *("<results>/a/x/0.csv", "<results>/a/y-0"),
        *("<results>/a/x/10.csv", "<results>/a/y-10"),
    ]
    recorded = files.recorded(prepared("a"), "a", [0, 1])
    assert len(recorded) == len(set(recorded))
    of_shards = [path for path in recorded if "shard-" in path]
    assert len(of_shards) == 2 and not [path for path in of_shards if "opex" in path]
