"""What jobs ask a cluster for, and its profiles; dry runs, without a cluster."""

import re

import pytest
import yaml

from tests.conftest import ROOT, run_command

RULES = {
    name
    for path in (ROOT / "rules").glob("*.smk")
    for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(), re.M)
}
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


def test_demands_follow_the_work(tmp_path):
    write_lists(tmp_path, 2)
    predict = {"images": "data", "images_per_shard": 600}
    small = {"image_size": 320, "batch_size": 4, "max_hours": 10}
    large = {"image_size": 640, "batch_size": 8, "max_hours": 10}
    shown = demands(tmp_path, "--cores", "2", model=small, predict=predict)
    # 600 images at one a second, and half an hour to start.
    assert shown["predict_images"]["runtime"] == "40"
    assert shown["predict_images"]["mem_mb"] == "3600"
    assert shown["train_model"]["mem_mb"] == "4000"
    assert shown["train_model"]["runtime"] == "630"
    shown = demands(tmp_path, "--cores", "2", model=large, predict=predict)
    assert shown["predict_images"]["runtime"] == "70"
    assert shown["train_model"]["mem_mb"] == "18000"


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


def test_images_of_folders_within_the_folder_count(tmp_path):
    part = tmp_path / "data/part"
    part.mkdir(parents=True)
    for number in range(7000):
        (part / f"{number}.jpg").touch()
    shown = demands(tmp_path, "--cores", "2")
    # At a hundred images a second, and half an hour to start.
    assert shown["convert_annotations"]["runtime"] == "32"


def test_the_service_keeps_the_objects_that_the_workflow_does(tmp_path):
    write_lists(tmp_path, 1)
    options = ("--cores", "2", "--printshellcmds", "serve")
    how = {"predict": {"images": "data", "score": 0.4}}
    assert " --score=0.4 " in dry_run(tmp_path, *options, **how)
    how["predict"]["score"] = "auto"
    shown = dry_run(tmp_path, *options, **how)
    assert " --score=auto --thresholds=results/a/evaluation/thresholds.json " in shown


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
    for rule, resources in shown.items():
        if rule != "all":
            assert {"mem_mb", "runtime"} <= set(resources), rule
    content = yaml.safe_load((profile / "profile.yaml").read_text())
    assert set(content["set-threads"]) <= RULES
    assert "default-resources" not in content  # those are for the user's own profile
