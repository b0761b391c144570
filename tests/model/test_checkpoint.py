import zipfile

import pytest
import torch

from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.errors import ModelError
from mmdet_flow.model.checkpoint import load_checkpoint
from tests.conftest import command_of

CLASSES = ("leaf", "pebble", "shell")


def test_it_loads_without_running_code_and_says_what_it_is(trained, tmp_path):
    content = torch.load(trained.checkpoint, weights_only=True)
    assert set(content) == {"meta", "state_dict"}
    assert content["meta"]["dataset_meta"] == {"classes": list(CLASSES)}
    assert content["meta"]["classes_sha256"] == classes_sha256(CLASSES)
    assert content["meta"]["versions"]["mmdet"] == "3.3.0"
    assert "num_classes=3" in content["meta"]["cfg"]
    assert "work_dir" not in content["meta"]["cfg"]
    # The config has names of mmdet alone, so that mmdet itself can train from it.
    assert "ema_type='ExpMomentumEMA'" in content["meta"]["cfg"]
    assert "fused" not in content["meta"]["cfg"]


def test_training_checkpoints_load_too(trained):
    last = sorted(trained.work_dir.glob("iter_*.pth"))[-1]
    assert load_checkpoint(last).classes == CLASSES


def test_training_checkpoints_of_numpy_1_load_too(trained, tmp_path):
    """Those of older stacks, whose message hub names functions by their old places."""
    last = sorted(trained.work_dir.glob("iter_*.pth"))[-1]
    old = tmp_path / "epoch_1.pth"
    with zipfile.ZipFile(last) as new, zipfile.ZipFile(old, "w") as written:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith("/data.pkl"):
                assert b"cnumpy._core.multiarray\n" in content
                content = content.replace(b"cnumpy._core.", b"cnumpy.core.")
            written.writestr(name, content)
    assert load_checkpoint(old).classes == CLASSES


class Harmful:
    def __reduce__(self):
        return print, ("code of a stranger ran",)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda path: None, "there is no such checkpoint"),
        (lambda path: path.write_bytes(b"no zip"), "cannot be read as a checkpoint"),
        (lambda path: torch.save({"weights": 1}, path), "has no state_dict"),
        (lambda path: torch.save({"state_dict": {}}, path), "names no classes"),
        (
            lambda path: torch.save({"state_dict": {}, "meta": Harmful()}, path),
            "it holds print, which could run code",
        ),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, capsys, spoil, expected):
    spoil(tmp_path / "x.pth")
    with pytest.raises(ModelError, match=expected):
        load_checkpoint(tmp_path / "x.pth")
    assert "stranger" not in capsys.readouterr().out


def test_other_labels_are_refused_with_both_lists(
    trained, dataset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("MMDET_CLASSES", "shell,pebble,leaf")
    code = command_of("predict")(
        [
            *("--checkpoint", trained.checkpoint, "--keep_input"),
            *("--prediction_in", dataset.images, "--prediction_out", tmp_path / "out"),
        ]
    )
    error = capsys.readouterr().err
    assert code == 3 and error.count("error: ") == 1
    assert "shell, pebble, leaf" in error and "leaf, pebble, shell" in error
    assert not list((tmp_path / "out").glob("*.json"))
