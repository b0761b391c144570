import json
import shutil

import pytest

from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.export import Candidate, choose
from mmdet_flow.inference.precision import chosen_precision, precision_file
from tests.conftest import run_command

EXACT = Candidate("fp32", 0.5, 10.0)


@pytest.mark.parametrize(
    ("other", "winner", "reason"),
    [
        (Candidate("bf16", 0.498, 20.0), "bf16", ""),
        (Candidate("bf16", 0.49, 20.0), "fp32", "loses more than 0.005 of mAP"),
        (Candidate("bf16", 0.5, 10.1), "fp32", "not faster than fp32"),
        (Candidate("bf16", reason="this CPU has no bf16"), "fp32", "this CPU has no"),
    ],
)
def test_the_fastest_that_loses_little_wins(other, winner, reason):
    judged, found = choose([EXACT, other], 0.005)
    assert found == winner
    assert judged[1].reason.startswith(reason) and bool(judged[1].reason) == bool(
        reason
    )


def test_the_winner_is_used_from_then_on(trained, dataset, tmp_path):
    checkpoint = tmp_path / "model.pth"
    shutil.copy(trained.checkpoint, checkpoint)
    run = run_command(
        *("mmdet_export", "--checkpoint", checkpoint, "--images", dataset.images),
        *("--annotations", dataset.splits / "val.json", "--max_map_drop", "0.005"),
    )
    assert run.returncode == 0, run.stderr
    content = json.loads(precision_file(checkpoint).read_text())
    assert [one["precision"] for one in content["candidates"]] == ["fp32", "bf16"]
    assert content["candidates"][0]["images_per_second"] > 0
    detector = Detector(checkpoint, threads=2, precision="auto")
    assert detector.engine.precision == content["winner"]
    assert detector.meta["engine"] == f"openvino {content['winner']}"


def test_a_measurement_of_another_machine_does_not_count(tmp_path):
    checkpoint = tmp_path / "model.pth"
    content = {"model_sha256": "x", "processor": "another", "winner": "bf16"}
    precision_file(checkpoint).write_text(json.dumps(content))
    assert chosen_precision(checkpoint, "x") == "fp32"
    assert chosen_precision(tmp_path / "no.pth", "x") == "fp32"
