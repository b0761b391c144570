"""Checkpoints as mmdet publishes them are read as data, and begin a training."""

import hashlib
import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub

from mmdet_flow.model.checkpoint import load_checkpoint, load_training_checkpoint
from mmdet_flow.model.weights import store
from tests.model.weights.server import Behaviour, serving


def weights() -> OrderedDict:
    """Return the weights of a real layer, with the versions that a module notes."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
    ).state_dict()


def of_mmengine() -> dict:
    """Return a checkpoint as mmengine's runner saves it, with all that it may note."""
    hub = MessageHub("published")
    for loss in (0.5, 0.25):
        hub.update_scalar("train/loss", np.float32(loss))
    hub.update_scalar("val/coco/bbox_mAP", np.float64(0.409))
    hub.update_info("iter", np.int64(12))
    hub.update_info("dataset_meta", {"classes": ("cat",), "palette": [(1, 2, 3)]})
    return {
        "meta": {
            "epoch": np.int64(300),
            "dataset_meta": {"CLASSES": ("cat", "dog"), "PALETTE": [(1, 2, 3)]},
            "hook_msgs": {"best_score": np.float64(0.409), "is_best": np.bool_(True)},
            "time": "20220902_112414",
        },
        "state_dict": weights(),
        "message_hub": hub.state_dict(),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": []},
        "param_schedulers": [{"last_step": 3, "_last_lr": [np.float64(0.1)]}],
    }


def of_mmcv() -> dict:
    """Return a checkpoint as mmdet 2 saved it with mmcv."""
    return {
        "meta": {
            "CLASSES": ("cat", "dog"),
            "PALETTE": [(1, 2, 3), (4, 5, 6)],
            "config": "model = dict()\n",
            "mmdet_version": "2.0.0+abc",
            "hook_msgs": {},
            "seed": np.int64(0),
        },
        "state_dict": weights(),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.02}]},
    }


def saved(content: dict, *, is_legacy: bool) -> bytes:
    """Return the bytes of a checkpoint, in the form of torch before 1.6 or of today."""
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not is_legacy)
    return buffer.getvalue()


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("make", [of_mmengine, of_mmcv])
def test_a_published_checkpoint_is_fetched_checked_and_read(
    make, is_legacy, tmp_path, monkeypatch
):
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path))
    content = saved(make(), is_legacy=is_legacy)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(io.BytesIO(content), weights_only=True)
    name = f"cats-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with serving() as files:
        files.answers[f"/{name}"] = Behaviour(content, cuts=[1000])
        path = store.get(
            f"{files.url}/{name}", sha256=hashlib.sha256(content).hexdigest()
        )
    read = load_checkpoint(path)
    assert read.classes == ("cat", "dog")
    wanted = weights()
    assert read.state_dict.keys() == wanted.keys()
    assert all(torch.equal(read.state_dict[key], wanted[key]) for key in wanted)


def test_histories_and_numbers_are_what_they_were(tmp_path):
    torch.save(of_mmengine(), tmp_path / "published.pth")
    read = load_training_checkpoint(tmp_path / "published.pth")
    losses = read["message_hub"]["log_scalars"]["train/loss"]
    assert isinstance(losses, HistoryBuffer)
    assert losses.data[0].tolist() == [0.5, 0.25] and losses.mean() == 0.375
    assert read["meta"]["hook_msgs"] == {"best_score": 0.409, "is_best": True}
    assert read["message_hub"]["runtime_info"]["iter"] == 12
    assert read["meta"]["epoch"].dtype == np.int64
