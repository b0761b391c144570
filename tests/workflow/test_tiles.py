"""An experiment on tiles, under Snakemake: what is made, and what is repeated."""

import copy
import json

import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.model.config import load_config
from tests.conftest import run_command
from tests.workflow.test_failures import jobs_of
from tests.workflow.test_workflow import SMALL, snakemake, write_config

TARGETS = ("results/a/tiles/report.json", "results/a/model/config.py")
MADE = ["cut_tiles", "patch_config"]
SPLITS = ("train", "val", "trainval")


def config_with(**sections) -> dict:
    experiment = copy.deepcopy(SMALL["experiments"]["example"])
    experiment["data"] |= {"annotations": "ann", "images": "ann"}
    experiment["tiles"] = {"size": 64}
    for section, content in sections.items():
        experiment[section] = content and experiment.get(section, {}) | content
    return {"experiments": {"a": experiment}}


def run(folder, config, *options) -> list[str]:
    """Run the workflow as far as the config of the model; return its jobs."""
    write_config(folder, config)
    done = snakemake(folder, *options, "--", *TARGETS)
    assert done.returncode == 0, done.stdout + done.stderr
    return jobs_of(done)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiled")
    drawn = run_command(
        "mmdet-flow start example", "--output", folder / "ann", "--images", "10"
    )
    assert drawn.returncode == 0, drawn.stderr
    assert set(MADE) < set(run(folder, config_with()))
    return folder


def test_a_training_gets_tiles_and_the_test_whole_images(made):
    results = made / "results/a"
    tiles = {name: CocoFile.read(results / f"tiles/{name}.json") for name in SPLITS}
    for name, coco in tiles.items():
        images = (results / f"splits/{name}.json").read_text()
        assert {one["tile_of"] for one in coco.images} <= {
            one["file_name"] for one in json.loads(images)["images"]
        }
        for one in coco.images:
            assert (results / "tiles/images" / one["file_name"]).is_file()
    cfg = load_config(str(results / "model/config.py"))
    for loader, file, folder in (
        (cfg.train_dataloader, "tiles/train.json", "tiles/images"),
        (cfg.val_dataloader, "tiles/val.json", "tiles/images"),
        (cfg.test_dataloader, "splits/test.json", "dataset/images"),
    ):
        assert loader.dataset.ann_file == f"results/a/{file}"
        assert loader.dataset.data_prefix.img == f"results/a/{folder}/"
    # Tiles of 64 pixels are made 96 pixels large; padding is that of a tile.
    pads = [
        step for step in cfg.train_dataloader.dataset.pipeline if "Pad" in step.type
    ]
    assert [tuple(step["size"]) for step in pads] == [(96, 96)]


CHANGES = {
    "nothing": ({}, []),
    "tiles": ({"tiles": {"empty": 0.5, "min_visible": 0.9}}, MADE),
    "splits.seed": ({"splits": {"seed": 7}}, [*MADE, "split_dataset"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_key_repeats_what_depends_on_it(made, what):
    sections, expected = CHANGES[what]
    assert run(made, config_with(**sections), "-n") == expected


def test_without_tiles_images_are_trained_on_again(made):
    write_config(made, config_with(tiles=None))
    done = snakemake(made, "-n", "-p", "--", TARGETS[1])
    assert jobs_of(done) == ["patch_config"]
    assert "--images=results/a/dataset/images" in done.stdout
    assert "--test-images" not in done.stdout
