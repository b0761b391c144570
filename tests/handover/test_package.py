import io
import json
import shutil
import zipfile

import pytest
import redis
import torch

from mmdet_flow.files import sha256_of
from mmdet_flow.inference.package_file import open_package, write_package
from mmdet_flow.inference.precision import chosen_precision, here
from tests.conftest import LOW_SCORE, command_of
from tests.handover.conftest import NAME

main = command_of("handover package")
predict = command_of("predict")
serve = command_of("serve")

MEMBERS = ["checkpoint.pth", "classes.txt", "config.py", "manifest.json"]
CARD = "model_card.md"


@pytest.fixture
def package(run, tmp_path):
    """The package, away from its run, which is gone."""
    assert main([str(run)]) == 0
    moved = tmp_path / "elsewhere" / "m.zip"
    moved.parent.mkdir()
    shutil.move(run / "model" / f"{NAME}.zip", moved)
    shutil.rmtree(run)
    return moved


def files_of(folder) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }


def predicted(dataset, folder, *options) -> dict[str, bytes]:
    """Predict for the test images; return the files by name."""
    code = predict(
        [
            *map(str, options),
            *("--prediction_in", str(dataset.images), "--keep_input"),
            *("--image_list", str(dataset.splits / "test.txt"), "--threads", "2"),
            *("--prediction_out", str(folder), "--prediction_format", "both"),
            *("--coco_results", str(folder / "coco.json"), "--output_mask_image"),
        ]
    )
    assert code == 0
    return files_of(folder)


def test_its_members_are_those_of_the_run(run):
    assert main([str(run)]) == 0
    root = open_package(run / "model" / f"{NAME}.zip")
    names = sorted(path.name for path in root.iterdir())
    assert names == sorted([*MEMBERS, CARD, "thresholds.json"])
    for member, source in (
        ("checkpoint.pth", "model/checkpoint.pth"),
        ("thresholds.json", "evaluation/thresholds.json"),
        (CARD, "model/card.md"),
    ):
        assert (root / member).read_bytes() == (run / source).read_bytes()
    manifest = json.loads((root / "manifest.json").read_text())
    assert manifest["name"] == NAME
    assert manifest["classes"] == (root / "classes.txt").read_text().split()
    assert (
        str(run.parent.parent).encode() not in (run / f"model/{NAME}.zip").read_bytes()
    )


def test_the_same_bytes_again_and_another_time_if_asked(run, tmp_path, monkeypatch):
    one, two, three = (tmp_path / f"{n}.zip" for n in range(3))
    assert main([str(run), "--output", str(one)]) == 0
    for path in run.rglob("*"):
        path.touch()
    assert main([str(run), "--output", str(two)]) == 0
    assert one.read_bytes() == two.read_bytes()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert main([str(run), "--output", str(three)]) == 0
    with zipfile.ZipFile(three) as archive:
        assert {info.date_time for info in archive.infolist()} == {
            (2023, 11, 14, 22, 13, 20)
        }
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    assert main([str(run), "--output", str(three)]) == 2


def test_predictions_equal_those_of_the_files(
    finished, package, dataset, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    files = ["--checkpoint", finished / "model" / "checkpoint.pth"]
    of_files = predicted(dataset, tmp_path / "files", *files, "--score", LOW_SCORE)
    packed = ["--package", package]
    of_package = predicted(dataset, tmp_path / "pack", *packed, "--score", LOW_SCORE)
    assert of_package == of_files
    assert json.loads(of_files["coco.json"]), "something is found"
    # Nothing is unpacked beside it.
    assert [path.name for path in package.parent.iterdir()] == [package.name]


def test_a_run_goes_on_with_the_package_of_its_checkpoint(
    finished, package, dataset, tmp_path, capsys
):
    """The results are the same, so nothing is predicted again."""
    files = ["--checkpoint", finished / "model" / "checkpoint.pth"]
    first = predicted(dataset, tmp_path / "out", *files, "--score", LOW_SCORE)
    packed = ["--package", package]
    again = predicted(dataset, tmp_path / "out", *packed, "--score", LOW_SCORE)
    assert again == first
    assert "images predicted before" in capsys.readouterr().err


def test_thresholds_are_those_of_the_package(finished, package, dataset, tmp_path):
    model = ["--checkpoint", finished / "model" / "checkpoint.pth"]
    named = ["--thresholds", finished / "evaluation/thresholds.json"]
    auto = ["--score", "auto"]
    wanted = predicted(dataset, tmp_path / "files", *model, *named, *auto)
    found = predicted(dataset, tmp_path / "pack", "--package", package, *auto)
    assert found["coco.json"] == wanted["coco.json"] != b"[]\n"


def _folders(dataset, tmp_path) -> list[str]:
    return [
        *("--prediction_in", str(dataset.images), "--keep_input"),
        *("--prediction_out", str(tmp_path / "never")),
    ]


def test_options_that_do_not_go_together(run, dataset, tmp_path, capsys):
    (run / "evaluation/thresholds.json").unlink()
    assert main([str(run), "--output", str(tmp_path / "m.zip")]) == 0
    package = ["--package", str(tmp_path / "m.zip"), *_folders(dataset, tmp_path)]
    assert predict([*package, "--config", "x.py"]) == 2
    assert "--config: is for --checkpoint" in capsys.readouterr().err
    assert predict([*package, "--score", "auto"]) == 2
    assert "m.zip has no thresholds; give a number" in capsys.readouterr().err
    assert not (tmp_path / "never").exists()


def test_redis_answers_from_a_package(
    finished, package, dataset, redis_port, tmp_path, monkeypatch
):
    path = min(dataset.images.iterdir())
    client = redis.Redis(port=redis_port)
    client.xadd("images", {"image": path.read_bytes(), "id": path.name})
    options = ["--redis_front", "streams", "--redis_port", redis_port]
    options += ["--max_messages", 1, "--threads", 2, "--score", LOW_SCORE]
    assert serve([*map(str, ["--package", package, *options])]) == 0
    ((_, answer),) = client.xrange("predictions")
    answer = json.loads(answer[b"opex"])
    inbox = tmp_path / "in"
    inbox.mkdir()
    shutil.copy(path, inbox)
    checkpoint = finished / "model" / "checkpoint.pth"
    found = [*("--checkpoint", checkpoint), *("--score", LOW_SCORE, "--threads", 2)]
    places = ["--prediction_in", inbox, "--prediction_out", tmp_path / "out"]
    assert predict([*map(str, [*found, *places])]) == 0
    wanted = json.loads((tmp_path / "out" / f"{path.stem}.json").read_text())
    assert answer["objects"] == wanted["objects"] != []
    assert answer["meta"]["model_sha256"] == wanted["meta"]["model_sha256"]


def test_the_precision_that_was_chosen_goes_with_it(run, tmp_path):
    sha256 = sha256_of(run / "model" / "checkpoint.pth")
    content = {"model_sha256": sha256, "winner": "bf16", **here()}
    (run / "model/checkpoint.precision.json").write_text(json.dumps(content))
    assert main([str(run), "--output", str(tmp_path / "m.zip")]) == 0
    root = open_package(tmp_path / "m.zip")
    assert chosen_precision(root / "checkpoint.pth", sha256) == "bf16"


def test_terms_go_with_it(run, tmp_path):
    (tmp_path / "terms").write_text("CC BY 4.0")
    options = [
        "--license",
        str(tmp_path / "terms"),
        "--output",
        str(tmp_path / "m.zip"),
    ]
    assert main([str(run), *options]) == 0
    root = open_package(tmp_path / "m.zip")
    assert (root / "LICENSE.txt").read_text() == "CC BY 4.0"


class Harmful:
    def __reduce__(self):
        return print, ("code of a stranger ran",)


def test_a_package_runs_no_code(package, dataset, tmp_path, capsys):
    """Its hashes are right, and its weights are not weights."""
    weights = io.BytesIO()
    torch.save({"state_dict": {}, "meta": Harmful()}, weights)
    members = {path.name: path.read_bytes() for path in open_package(package).iterdir()}
    del members["manifest.json"]
    write_package(package, members | {"checkpoint.pth": weights.getvalue()}, {})
    assert predict(["--package", str(package), *_folders(dataset, tmp_path)]) == 4
    said = capsys.readouterr()
    assert "m.zip/checkpoint.pth: it holds print, which could run code" in said.err
    assert "stranger" not in said.out


def _of_another_model(path) -> None:
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"model_sha256": "0" * 64})
    )


@pytest.mark.parametrize(
    ("spoil", "code", "expected"),
    [
        (
            lambda run: _of_another_model(run / "evaluation/thresholds.json"),
            *(3, "thresholds.json: is for another model (00000000, not "),
        ),
        (lambda run: (run / "model/card.md").unlink(), 3, "card.md: No such file"),
        (
            lambda run: (run / "model/checkpoint.pth").unlink(),
            *(4, "there is no such checkpoint"),
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(run, capsys, spoil, code, expected):
    spoil(run)
    assert main([str(run)]) == code
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and expected in errors[0]
    assert not list(run.rglob("*.zip"))
