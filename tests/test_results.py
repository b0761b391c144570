"""A file of a results folder that is not as our commands write it is one line."""

import os
import shutil

import pytest

from mmdet_flow.errors import DataError, ModelError
from tests.conftest import command_of

STRANGE = (b"", b"null", b"[]", b"{}", b'"a"', b"\xff\xfe", b"a,b\n1,2\n", b"[" * 9999)

METRICS = "evaluation/metrics.json"
FACTS = (
    *(METRICS, "card/card.json", "dataset/report.json", "training/recipe.json"),
    *("evaluation/thresholds.json", "training/validation.csv", "model/config.py"),
)
FILES = {
    "compare leaderboard": (METRICS, "training/recipe.json"),
    "compare experiments": (
        METRICS,
        "evaluation/detections.json",
        "training/recipe.json",
    ),
    "step pages": (*FACTS, "model/card.md"),
    "handover card": FACTS,
    "handover package": (
        "evaluation/thresholds.json",
        "model/checkpoint.precision.json",
    ),
    "step summary": (METRICS, "dataset/report.json", "predictions/images.csv"),
    "step record": (
        "training/recipe.json",
        "splits/test.json",
        "predictions/images.csv",
    ),
    "track": ("run.json",),
}


def arguments(command, run, whole, output) -> list:
    match command:
        case "compare leaderboard":
            return [run, whole, "--csv", output]
        case "compare experiments":
            return [run, whole, "--bootstrap", 2, "--output", output]
        case "step record":
            return [run]
        case "track":
            return [run, "--tries", 1, "--uri", f"sqlite:///{output}/mlflow.db"]
    return [run, "--output", output]


@pytest.mark.parametrize("command", FILES)
def test_whatever_a_file_holds(command, finished, dataset, tmp_path, capsys):
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.copytree(dataset.images, run / "dataset" / "images")
    given = arguments(command, run, finished, tmp_path / "output")
    refused = {DataError.exit_code, ModelError.exit_code}
    for name in FILES[command]:
        file = run / name
        file.parent.mkdir(exist_ok=True)
        whole = file.read_bytes() if file.is_file() else None
        for content in STRANGE:
            file.write_bytes(content)
            code = command_of(command)(given)
            lines = capsys.readouterr().err.splitlines()
            said = [line for line in lines if line.startswith("error: ")]
            assert code in refused | {0}, (name, content, said)
            assert len(said) == (code in refused), (name, content, said)
        file.unlink()
        os.mkfifo(file)
        assert command_of(command)(given) in refused | {0}, name
        capsys.readouterr()
        file.unlink(missing_ok=True)
        if whole is not None:
            file.write_bytes(whole)
