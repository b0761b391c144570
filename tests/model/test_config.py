import pytest

from mmdet_flow.errors import did_you_mean
from mmdet_flow.model.config import load_config, text_of
from mmdet_flow.model.zoo import zoo_configs
from tests.conftest import run_command, the_error


def test_a_zoo_name_becomes_one_flat_file(tmp_path):
    run = run_command(
        *(
            "mmdet-flow model config",
            "faster-rcnn_r50_fpn_1x_coco",
            "--save-path",
            "base.py",
        ),
        *("--cfg-options", "model.backbone.depth=18", "train_cfg.max_epochs=3"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    values = {}
    text = (tmp_path / "base.py").read_text()
    assert text.startswith("exported_from = 'faster-rcnn_r50_fpn_1x_coco'\n")
    exec(text, values)
    assert "_base_" not in values
    assert values["model"]["backbone"]["depth"] == 18
    assert values["train_cfg"]["max_epochs"] == 3


@pytest.mark.parametrize("name", ["ssd300_coco", "solov2-light_r18_fpn_ms-3x_coco"])
def test_the_text_of_a_config_is_that_of_mmengine(name):
    cfg = load_config(name)
    assert text_of(cfg) == cfg.pretty_text
    cfg.model.type = "Other"
    assert text_of(cfg) == cfg.pretty_text


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    run = run_command(
        "mmdet-flow model config", "rtmdet_tinny", "--save-path", tmp_path / "x.py"
    )
    assert run.returncode == 4
    assert "did you mean rtmdet_tiny_8xb32-300e_coco?" in the_error(run)
    assert not (tmp_path / "x.py").exists()


def test_an_override_that_is_none(tmp_path):
    run = run_command(
        *(
            "mmdet-flow model config",
            "rtmdet_tiny_8xb32-300e_coco",
            "--save-path",
            tmp_path / "x",
        ),
        *("--cfg-options", "nonsense"),
    )
    assert run.returncode == 2
    assert "write it as key=value" in the_error(run)


def test_the_zoo_is_listed_with_task_and_size():
    run = run_command(
        "mmdet-flow model config", "--list", "rtmdet*_tiny_8xb32-300e_coco"
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines()]
    assert [row[0] for row in rows] == [
        "rtmdet-ins_tiny_8xb32-300e_coco",
        "rtmdet_tiny_8xb32-300e_coco",
    ]
    assert rows[0][1:] == ["boxes,", "masks", "5.6", "M", "weights"]
    assert rows[1][1:] == ["boxes", "4.9", "M", "weights"]
    run = run_command("mmdet-flow model config", "--list", "rtmdett")
    assert "did you mean" in the_error(run)


def test_the_difference_of_two_configs():
    run = run_command(
        *("mmdet-flow model config", "faster-rcnn_r50_fpn_1x_coco"),
        *("--diff", "faster-rcnn_r101_fpn_1x_coco"),
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "model.backbone.depth: 50 -> 101",
        "model.backbone.init_cfg.checkpoint: 'torchvision://resnet50' -> "
        "'torchvision://resnet101'",
    ]


def test_the_zoo_is_found_offline():
    zoo = zoo_configs()
    assert len(zoo) > 400
    assert "mask-rcnn_r50_fpn_1x_coco" in zoo


@pytest.mark.parametrize(
    ("name", "expected"),
    [("epoch", "; did you mean epochs?"), ("zzz", "")],
)
def test_did_you_mean(name, expected):
    assert did_you_mean(name, ["epochs", "batch_size"]) == expected
