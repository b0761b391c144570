"""A training that starts from published weights, which come from a mirror."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import yaml

from mmdet_flow.errors import UsageError
from mmdet_flow.files import sha256_of
from mmdet_flow.workflow import files
from mmdet_flow.workflow.config import prepare
from tests.conftest import NARROW, SEGMENTER, run_command
from tests.workflow.test_workflow import SMALL, snakemake, write_config

PUBLISHED = "rtmdet-ins_tiny_8xb32-300e_coco_20221130_151727-ec670f7e.pth"


def config(mirrors=(), **model) -> dict:
    """Return the config of an experiment that starts from published weights."""
    made = copy.deepcopy(SMALL) | {"weights": {"mirrors": [*map(str, mirrors)]}}
    made["experiments"]["example"]["model"] |= {"pretrained": True} | model
    return made


def publish(checkpoint: Path, folder: Path) -> str:
    """Publish a checkpoint of a config file in a folder; return its name."""
    name = f"shore-{sha256_of(checkpoint)[:8]}.pth"
    mirror = folder / "mirror/shore/v1"
    mirror.mkdir(parents=True)
    shutil.copy(checkpoint, mirror / name)
    options = (SEGMENTER, "--save-path", folder / "shore.py", "--cfg-options", *NARROW)
    assert run_command("mmdet-flow model config", *options).returncode == 0
    url = f"https://weights.invalid/shore/v1/{name}"
    models = [{"Name": "shore", "Config": "shore.py", "Weights": url}]
    (folder / "metafile.yml").write_text(yaml.safe_dump({"Models": models}))
    return name


def test_a_training_starts_from_what_a_mirror_has(trained, tmp_path):
    """Of a config file with a metafile; and again without mirror and network."""
    name = publish(trained.checkpoint, tmp_path)
    cache = {"MMDET_FLOW_CACHE": str(tmp_path / "cache")}
    mirrors = [tmp_path / "nowhere", f"file:{tmp_path / 'mirror'}"]
    write_config(tmp_path, config(mirrors, base="shore.py", cfg_options=[]))
    run_command(
        *("mmdet-flow start example", "--images", "12"),
        *("--output", tmp_path / "data/example"),
    )
    checkpoint = "results/example/model/checkpoint.pth"
    run = snakemake(tmp_path, checkpoint, **cache)
    assert run.returncode == 0, run.stderr[-3000:]
    fetched = tmp_path / "results/weights" / name
    assert sha256_of(fetched) == sha256_of(trained.checkpoint)
    log = (tmp_path / "results/example/logs/train_model.log").read_text()
    assert f"{name}: " in log and "weights fit" in log
    recipe = json.loads((tmp_path / "results/example/training/recipe.json").read_text())
    assert recipe["load_from"] == f"results/weights/{name}"
    patched = (tmp_path / "results/example/model/config.py").read_text()
    assert f"load_from = '{name}'" in patched
    assert "Nothing to be done" in snakemake(tmp_path, checkpoint, **cache).stderr
    # What is kept needs no place that has it; and weights that are the same file are
    # no reason to train again.
    shutil.rmtree(tmp_path / "mirror")
    fetched.unlink()
    again = snakemake(tmp_path, fetched.relative_to(tmp_path), **cache)
    assert again.returncode == 0 and "is kept already" in again.stderr
    write_config(tmp_path, config(base="shore.py", cfg_options=[]))
    assert "Nothing to be done" in snakemake(tmp_path, checkpoint, **cache).stderr


def test_missing_weights_are_told_at_once_and_how_to_get_them(tmp_path):
    write_config(tmp_path, config([tmp_path / "nowhere"]))
    proxy = {"https_proxy": "http://127.0.0.1:9", "NO_PROXY": ""}
    cache = {"MMDET_FLOW_CACHE": str(tmp_path / "cache")}
    run = snakemake(tmp_path, f"results/weights/{PUBLISHED}", **proxy, **cache)
    assert run.returncode != 0
    # Snakemake shows the log again.
    (line,) = {one for one in run.stderr.splitlines() if one.startswith("error: ")}
    assert f"{PUBLISHED}: {tmp_path}/nowhere/{PUBLISHED} is not there; " in line
    assert "its proxy cannot be reached" in line and "weights.mirrors" in line


def test_experiments_with_one_base_share_one_file():
    made = config()
    made["experiments"]["twin"] = copy.deepcopy(made["experiments"]["example"])
    made["experiments"]["other"] = copy.deepcopy(SMALL["experiments"]["example"])
    prepare(made)
    wanted = [f"<results>/weights/{PUBLISHED}"]
    assert files.first_weights(made, "example") == wanted
    assert files.first_weights(made, "twin") == wanted
    assert files.first_weights(made, "other") == []
    assert files.base_of_weights(made, PUBLISHED) == SEGMENTER


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"load_from": "x.pth"}, "pretrained: there is load_from, too"),
        ({"base": "rtmdet_tinny"}, "pretrained: rtmdet_tinny: neither a config file"),
        (
            {"base": "faster-rcnn_r50_fpn_1x_cityscapes"},
            "pretrained: faster-rcnn_r50_fpn_1x_cityscapes: the model index names no",
        ),
        ({"start_from": "first"}, "start_from: there is pretrained, too"),
    ],
)
def test_what_cannot_be_is_told_by_its_place(model, reason):
    made = config(**model)
    made["experiments"]["first"] = copy.deepcopy(SMALL["experiments"]["example"])
    with pytest.raises(UsageError) as error:
        prepare(made)
    assert reason in str(error.value)


def test_later_rounds_of_labelling_start_from_the_model_before_them():
    made = config()
    made["campaigns"] = {"loop": {"base": "example", "rounds": ["r1"]}}
    prepare(made)
    (first,) = files.first_weights(made, "loop-round1")
    assert first.endswith("example/model/checkpoint.pth")
