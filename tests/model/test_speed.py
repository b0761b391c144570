"""What is faster computes the same."""

import copy

import numpy as np
import pytest
import torch
from mmdet.models.layers import ExpMomentumEMA
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData

from mmdet_flow.errors import ModelError
from mmdet_flow.model.config import load_config
from mmdet_flow.model.fit.network import (
    freeze_stages,
    train_from_scratch,
    use_single_process_norm,
)
from mmdet_flow.model.precision import use_bf16
from mmdet_flow.model.speed import (
    ForeachExpMomentumEMA,
    use_channels_last,
    use_fast_parts,
    use_new_outputs,
)
from mmdet_flow.roi_align import use_fast_roi_align


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
    MessageHub.get_current_instance().update_info("epoch", 0)  # TOOD asks for it
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
    "name",
    [
        "rtmdet_tiny_8xb32-300e_coco",
        # RoIAlign, which gets features in channels_last.
        "mask-rcnn_r50_fpn_1x_coco",
        # Deformable convolutions, called by a head whose own convolutions are fast.
        "tood_r50_fpn_1x_coco",
    ],
)
def test_layout_and_roi_align_change_speed_and_no_loss(name):
    model = build(name)
    expected = losses_of(model)
    use_fast_roi_align(model)
    use_channels_last(model)
    assert losses_of(model) == pytest.approx(expected, rel=1e-3)
    layouts = is_channels_last(model)
    assert len(layouts) > 20 and all(layouts)


def test_heads_that_look_for_peaks_get_maps_that_they_can_read():
    """CenterNet views its heat maps as rows, which the fast layout does not allow."""
    model = build("centernet_r18_8xb16-crop512-140e_coco")
    size = {"img_shape": (128, 160), "batch_input_shape": (128, 160)}
    sample = DetDataSample(metainfo={**size, "border": (0, 0, 0, 0)})
    image = torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.predict(image, [copy.deepcopy(sample)], rescale=False)
        use_channels_last(model)
        found = model.predict(image, [sample], rescale=False)
    layouts = is_channels_last(model.bbox_head)
    assert layouts and all(layouts)
    torch.testing.assert_close(
        found[0].pred_instances.scores, expected[0].pred_instances.scores
    )


def dtypes_of(model) -> dict[str, set[torch.dtype]]:
    """Return what convolutions of each part compute in, and what heads return."""
    seen: dict[str, set[torch.dtype]] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            part = name.split(".")[0]
            module.register_forward_hook(
                lambda module, inputs, output, part=part: seen.setdefault(
                    part, set()
                ).add(output.dtype)
            )
    return seen


@pytest.mark.parametrize(
    ("name", "in_bf16", "in_fp32"),
    [
        ("rtmdet_tiny_8xb32-300e_coco", {"backbone", "neck", "bbox_head"}, set()),
        ("mask-rcnn_r50_fpn_1x_coco", {"backbone", "neck", "rpn_head", "roi_head"}, {}),
        # Its classification goes through deformable convolutions of mmcv.
        ("tood_r50_fpn_1x_coco", {"backbone", "neck"}, {"bbox_head"}),
    ],
)
def test_bf16_computes_all_that_torch_computes_and_losses_in_fp32(
    name, in_bf16, in_fp32
):
    model = build(name).train()
    use_bf16(model)
    seen = dtypes_of(model)
    assert all(np.isfinite(list(losses_of(model).values())))
    assert {
        part for part, dtypes in seen.items() if dtypes == {torch.bfloat16}
    } == in_bf16
    assert all(torch.bfloat16 not in seen[part] for part in in_fp32)
    seen.clear()
    model.eval()
    losses_of(model)
    assert all(dtypes == {torch.float32} for dtypes in seen.values())


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


def test_only_a_backbone_with_stages_can_be_frozen():
    model = {"backbone": {"type": "ResNet"}}
    freeze_stages(model, 2)
    assert model["backbone"]["frozen_stages"] == 2
    with pytest.raises(
        ModelError, match="backbone HourglassNet has no stages to freeze"
    ):
        freeze_stages({"backbone": {"type": "HourglassNet"}}, 2)


def test_activations_with_outputs_of_their_own_give_the_same_gradients():
    gradients = []
    for change in (lambda model: None, use_new_outputs):
        model = build("rtmdet_tiny_8xb32-300e_coco").train()
        change(model)
        gradients.append(gradients_of(model))
        in_place = [
            one.inplace for one in model.modules() if type(one) is torch.nn.SiLU
        ]
        assert len(in_place) > 50 and set(in_place) == {change is not use_new_outputs}
    before, after = gradients
    assert before.keys() == after.keys() and len(before) > 100
    assert all(torch.equal(before[name], after[name]) for name in before)


def gradients_of(model) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    outputs = model.bbox_head(model.extract_feat(torch.randn(2, 3, 96, 128)))
    sum(part.square().sum() for level in outputs for part in level).backward()
    return {name: one.grad for name, one in model.named_parameters()}
