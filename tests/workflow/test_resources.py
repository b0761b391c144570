"""What jobs ask a cluster for, and its profiles; dry runs, without a cluster."""

import re

import pytest
import yaml

from mmdet_flow.workflow import resources
from tests.conftest import ROOT, run_command

DATA = {"format": "opex", "annotations": "data", "images": "data"}


def dry_run(folder, *options, **sections) -> str:
    """Return what a dry run of an experiment with these sections shows."""
    config = {"experiments": {"a": {"data": DATA, **sections}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    run = run_command(
        *("snakemake", "--snakefile", ROOT / "Snakefile", "-n", *options), cwd=folder
    )
    assert run.returncode == 0, run.stderr + run.stdout
    return run.stdout


def demands(folder, *options, **sections) -> dict[str, dict[str, str]]:
    """Return the resources of each rule that a dry run shows, by their names."""
    pattern = r"^(?:rule|checkpoint) (\w+):.*?^    resources: ([^\n]*)$"
    output = dry_run(folder, *options, **sections)
    shown = re.findall(pattern, output, re.M | re.S)
    return {
        rule: dict(part.split("=", 1) for part in text.split(", "))
        for rule, text in shown
    }


def write_lists(folder, count: int) -> None:
    """Stand in for the images and the checkpoint that lists them."""
    (folder / "data").mkdir()
    lists = folder / "results/a/predictions/lists"
    lists.mkdir(parents=True)
    for number in range(count):
        (lists / f"{number}.txt").write_text("image.jpg\n")


def experiment(tiles: dict | None = None, **model) -> dict:
    """Return what of an experiment says how much work it is."""
    defaults = {"image_size": 320, "batch_size": 4, "epochs": 60, "nodes": 1}
    model = defaults | {"hours": None, "max_hours": None} | model
    return {"model": model, "tiles": tiles, "predict": {"images_per_shard": 600}}


LARGE = experiment(image_size=640, batch_size=8)


def test_memory_grows_with_the_images_and_how_many_there_are_at_a_time():
    assert resources.training_memory(experiment(), 1) == 4000
    assert resources.training_memory(LARGE, 1) == 18000
    assert resources.prediction_memory(experiment(), 2, 1) == 3600
    assert resources.prediction_memory(LARGE, 2, 1) == 5400


def test_time_is_half_an_hour_and_a_second_an_image():
    assert resources.prediction_minutes(experiment(), 1) == 40
    assert resources.prediction_minutes(LARGE, 1) == 70
    assert resources.training_minutes(experiment(), 120, 1) == 150
    assert resources.training_minutes(experiment(nodes=2), 120, 1) == 90
    assert resources.evaluation_minutes(experiment(), 120, 1) == 32
    assert resources.conversion_minutes(7000, 1) == 32  # a hundred at a time


def test_an_image_of_tiles_is_as_much_as_thirty():
    tiled = experiment(tiles={"size": 640})
    assert resources.prediction_minutes(tiled, 1) == 30 + 600 * 30 / 60
    assert resources.evaluation_minutes(tiled, 12, 1) == 30 + 12 * 30 / 60
    assert resources.prediction_memory(tiled, 2, 1) == 4800
    # Trained on, and compared on, are the tiles themselves.
    assert resources.training_minutes(tiled, 120, 1) == 150
    assert resources.deployment_minutes(tiled, 1) == 40
    assert resources.cutting_minutes(60, 1) == 40


def test_a_training_with_a_limit_asks_for_that():
    limited = experiment(max_hours=2.5)
    assert resources.training_minutes(limited, 10**6, 1) == 180
    assert resources.training_minutes(experiment(hours=1), 10**6, 1) == 90
    both = experiment(hours=9, max_hours=2.5)
    assert resources.training_minutes(both, 10**6, 1) == 180
    assert resources.training_retries([experiment(hours=1)]) is None
    assert resources.training_retries([experiment(), limited]) == 100
    assert resources.training_retries([experiment()]) is None


def test_a_recipe_as_it_is_has_large_images():
    assert resources.scale(experiment(image_size=None)) > resources.scale(LARGE)


@pytest.mark.parametrize(("attempt", "amount"), [(1, 10), (2, 20), (3, 30), (99, 30)])
def test_each_attempt_asks_for_more_and_later_ones_for_the_same(attempt, amount):
    assert resources.grown(10, attempt) == amount


def test_images_are_counted_in_lists_and_in_folders(tmp_path):
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("in/a", "in/deep/b", "in/deep/c"):
        (tmp_path / name).touch()
    (tmp_path / "list").write_text("a\nb\n")
    assert resources.count_images(tmp_path / "in") == 3
    assert resources.count_images(tmp_path / "list") == 2
    with pytest.raises(FileNotFoundError):
        resources.count_images(tmp_path / "none")


def test_a_job_of_several_nodes_is_launched_on_each():
    assert resources.launcher("", 1, 1, 2) == ""
    assert resources.launcher("srun", 4, 4, 2).startswith("srun --nodes=4 --ntasks=4 ")


def test_demands_reach_the_jobs(tmp_path):
    write_lists(tmp_path, 2)
    predict = {"images": "data", "images_per_shard": 600}
    model = {"image_size": 320, "batch_size": 4, "hours": None, "max_hours": 10}
    shown = demands(tmp_path, "--cores", "2", model=model, predict=predict)
    assert shown["predict_images"]["runtime"] == "40"
    assert shown["predict_images"]["mem_mb"] == "3600"
    assert shown["train_model"]["mem_mb"] == "4000"
    assert shown["train_model"]["runtime"] == "630"
    assert shown["convert_annotations"]["runtime"] == "30"


def test_time_of_a_training_is_known_once_the_images_are(tmp_path):
    write_lists(tmp_path, 1)
    model = {"image_size": 320, "epochs": 60}
    options = ("--cores", "2", "results/a/model/checkpoint.pth")
    predict = {"images": "data"}
    shown = demands(tmp_path, *options, model=model, predict=predict)
    assert shown["train_model"]["runtime"] == "<TBD>"
    splits = tmp_path / "results/a/splits"
    splits.mkdir()
    (splits / "train.txt").write_text("image.jpg\n" * 120)
    shown = demands(tmp_path, *options, model=model, predict=predict)
    assert shown["train_model"]["runtime"] == "150"


def test_the_service_keeps_the_objects_that_the_workflow_does(tmp_path):
    write_lists(tmp_path, 1)
    options = ("--cores", "2", "--printshellcmds", "serve")
    how = {"predict": {"images": "data", "score": 0.4}}
    assert " --score=0.4 " in dry_run(tmp_path, *options, **how)
    how["predict"]["score"] = "auto"
    auto = " --score=auto --thresholds=results/a/evaluation/thresholds.json "
    assert auto in dry_run(tmp_path, *options, **how)
    del how["predict"]["score"]
    assert auto in dry_run(tmp_path, *options, **how)


def test_several_nodes_are_one_job_with_a_process_on_each(tmp_path):
    write_lists(tmp_path, 1)
    options = ("--cores", "2", "--printshellcmds", "results/a/model/checkpoint.pth")
    how = {"predict": {"images": "data"}}
    one = dry_run(tmp_path, *options, model={"nodes": 1}, **how)
    assert "Shell command: mmdet-flow model train " in one and "mpi=" not in one
    four = dry_run(tmp_path, *options, model={"nodes": 4}, **how)
    assert "nodes=4, tasks=4, mpi=srun" in four
    assert re.search(
        r"Shell command: srun --nodes=4 --ntasks=4 --cpus-per-task=2 \S+ "
        r"mmdet-flow model train .* --launcher=slurm ",
        four,
    )
    assert " --batch-size=4 " in four and " --processes=4 " in four


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_a_profile_needs_no_cores_and_every_rule_has_demands(tmp_path, name):
    write_lists(tmp_path, 1)
    profile = ROOT / "profiles" / name
    shown = demands(tmp_path, "--workflow-profile", profile, predict={"images": "data"})
    assert {"convert_annotations", "train_model", "predict_images"} <= set(shown)
    for rule, demanded in shown.items():
        if rule != "all":
            assert {"mem_mb", "runtime"} <= set(demanded), rule
    content = yaml.safe_load((profile / "profile.yaml").read_text())
    assert set(content["set-threads"]) <= set(shown)
    assert "default-resources" not in content  # those are for the user's own profile
