"""What is faster computes the same."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.layers import ExpMomentumEMA
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData

from mmdet_flow.model.export import load_config
from mmdet_flow.model.patch import train_from_scratch, use_single_process_norm
from mmdet_flow.model.speed import (
    ForeachExpMomentumEMA,
    use_channels_last,
    use_fast_parts,
)


def build(name: str) -> torch.nn.Module:
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    cfg = load_config(name)
    train_from_scratch(cfg.model)
    use_single_process_norm(cfg.model)
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


def losses_of(model) -> dict[str, float]:
    names = ("img_shape", "batch_input_shape", "pad_shape")
    sample = DetDataSample(metainfo=dict.fromkeys(names, (96, 128)))
    boxes = torch.tensor([[10.0, 10.0, 60.0, 60.0], [40.0, 30.0, 120.0, 90.0]])
    masks = BitmapMasks(np.ones((2, 96, 128), np.uint8), 96, 128)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1]))
    if hasattr(model, "roi_head"):
        sample.gt_instances.masks = masks
    sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0))
    torch.manual_seed(1)
    image = torch.randn(1, 3, 96, 128)
    losses = model.loss(image, [sample])
    return {
        name: float(sum(value) if isinstance(value, list) else value)
        for name, value in losses.items()
    }


def is_channels_last(part) -> list[bool]:
    """Return whether each convolution is, where the two layouts can be told apart."""
    return [
        module.weight.is_contiguous(memory_format=torch.channels_last)
        for module in part.modules()
        if isinstance(module, torch.nn.Conv2d)
        and min(module.weight.shape[1], module.weight.shape[-1]) > 1
    ]


@pytest.mark.parametrize(
    ("name", "head_is_fast"),
    [
        ("rtmdet_tiny_8xb32-300e_coco", True),
        ("mask-rcnn_r50_fpn_1x_coco", False),
    ],
)
def test_the_layout_changes_speed_and_no_loss(name, head_is_fast):
    model = build(name)
    expected = losses_of(model)
    use_channels_last(model)
    assert losses_of(model) == pytest.approx(expected, rel=1e-3)
    assert all(is_channels_last(model.backbone))
    head = model.bbox_head if hasattr(model, "bbox_head") else model.roi_head
    assert all(is_channels_last(head)) == head_is_fast


def test_the_average_in_one_call_is_that_of_mmdet():
    layer = torch.nn.Conv2d(3, 4, 3)
    # Heads share weights, which then stand in the state more than once.
    model = torch.nn.Sequential(layer, torch.nn.BatchNorm2d(4), layer)
    ours = ForeachExpMomentumEMA(copy.deepcopy(model), update_buffers=True)
    theirs = ExpMomentumEMA(copy.deepcopy(model), update_buffers=True)
    for seed in range(4):
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.update_parameters(model)
        theirs.update_parameters(model)
    state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        assert torch.allclose(value.float(), state[name].float(), atol=1e-5)


def test_equal_options_share_a_group():
    """Two groups, with and without decay, hold each weight once, with its options."""
    cfg = load_config("rtmdet_tiny_8xb32-300e_coco")
    model = build("rtmdet_tiny_8xb32-300e_coco")
    wrapper = dict(cfg.optim_wrapper)
    want = {
        id(group["params"][0]): (group["lr"], group["weight_decay"])
        for group in build_optim_wrapper(model, wrapper).optimizer.param_groups
    }
    use_fast_parts(cfg)
    groups = build_optim_wrapper(model, dict(cfg.optim_wrapper)).optimizer.param_groups
    have = {
        id(one): (group["lr"], group["weight_decay"])
        for group in groups
        for one in group["params"]
    }
    assert len(want) > 200 and len(groups) == 2
    assert have == want
