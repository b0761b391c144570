import pytest

from mmdet_flow.errors import did_you_mean
from mmdet_flow.model.zoo import zoo_configs
from tests.conftest import run_command, the_error


def test_a_zoo_name_becomes_one_flat_file(tmp_path):
    run = run_command(
        *("mmdet_config", "faster-rcnn_r50_fpn_1x_coco", "--save-path", "base.py"),
        *("--cfg-options", "model.backbone.depth=18", "train_cfg.max_epochs=3"),
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    values = {}
    exec((tmp_path / "base.py").read_text(), values)
    assert "_base_" not in values
    assert values["model"]["backbone"]["depth"] == 18
    assert values["train_cfg"]["max_epochs"] == 3


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    run = run_command("mmdet_config", "rtmdet_tinny", "--save-path", tmp_path / "x.py")
    assert run.returncode == 4
    assert "did you mean rtmdet_tiny_8xb32-300e_coco?" in the_error(run)
    assert not (tmp_path / "x.py").exists()


def test_an_override_that_is_none(tmp_path):
    run = run_command(
        *("mmdet_config", "rtmdet_tiny_8xb32-300e_coco", "--save-path", tmp_path / "x"),
        *("--cfg-options", "nonsense"),
    )
    assert run.returncode == 2
    assert "write it as key=value" in the_error(run)


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
