"""A file of a results folder that is not as our commands write it is one line."""

import os
import shutil

import pytest

from mmdet_flow.comparison import compare, leaderboard
from mmdet_flow.errors import DataError, ModelError
from mmdet_flow.evaluation import summary
from mmdet_flow.handover import model_card, package, pages
from mmdet_flow.record import record, track

STRANGE = (b"", b"null", b"[]", b"{}", b'"a"', b"\xff\xfe", b"a,b\n1,2\n", b"[" * 9999)

METRICS = "evaluation/metrics.json"
FACTS = (
    *(METRICS, "card/card.json", "dataset/report.json", "training/recipe.json"),
    *("evaluation/thresholds.json", "training/validation.csv", "model/config.py"),
)
FILES = {
    leaderboard: (METRICS, "training/recipe.json"),
    compare: (METRICS, "evaluation/detections.json", "training/recipe.json"),
    pages: (*FACTS, "model/card.md"),
    model_card: FACTS,
    package: ("evaluation/thresholds.json", "model/checkpoint.precision.json"),
    summary: (METRICS, "dataset/report.json", "predictions/images.csv"),
    record: ("training/recipe.json", "splits/test.json", "predictions/images.csv"),
    track: ("run.json",),
}


def arguments(command, run, whole, output) -> list:
    match command.__name__.rpartition(".")[2]:
        case "leaderboard":
            return [run, whole, "--csv", output]
        case "compare":
            return [run, whole, "--bootstrap", 2, "--output", output]
        case "record":
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
            code = command.main(list(map(str, given)))
            lines = capsys.readouterr().err.splitlines()
            said = [line for line in lines if line.startswith("error: ")]
            assert code in refused | {0}, (name, content, said)
            assert len(said) == (code in refused), (name, content, said)
        file.unlink()
        os.mkfifo(file)
        assert command.main(list(map(str, given))) in refused | {0}, name
        capsys.readouterr()
        file.unlink(missing_ok=True)
        if whole is not None:
            file.write_bytes(whole)
