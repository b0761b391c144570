import csv

import pytest

from tests.conftest import run_command


@pytest.mark.first
def test_each_config_is_tried_from_training_to_opex(tmp_path):
    work = tmp_path / "work"
    run = run_command(
        *("mmdet-flow model families", "yolox_tiny_8xb8-300e_coco", "no-such_config"),
        *("--output", tmp_path / "matrix", "--image-size", 64, "--keep", work),
    )
    assert run.returncode == 0, run.stderr
    works, refused = csv.DictReader((tmp_path / "matrix.csv").open())
    assert works["result"] == "works" and works["engine"] == "openvino"
    assert float(works["train_seconds"]) > 0 and int(works["predict_mb"]) > 100
    assert refused["result"].startswith("no-such_config: ")
    assert refused["train_seconds"] == refused["engine"] == ""
    assert (work / "yolox_tiny_8xb8-300e_coco/model/checkpoint.pth").is_file()
    rows = (tmp_path / "matrix.md").read_text().splitlines()
    assert len(rows) == 4 and rows[2].startswith("| yolox_tiny_8xb8-300e_coco | ")
