"""What makes a training on CPU faster and leaves what it computes alone."""

import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import mmcv.ops
import torch
from mmdet.models.layers import ExpMomentumEMA
from mmdet.models.utils import get_topk_from_heatmap
from mmdet.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.optim import DefaultOptimWrapperConstructor

from mmdet_flow.model.fit.schedule import MUON

if TYPE_CHECKING:
    from mmengine.config import Config

FUSED = ("Adam", "AdamW", MUON, "SGD")
"""The optimizers that torch can step in one pass over all weights."""

NEED_THEIR_INPUT = (torch.nn.SiLU, torch.nn.Mish, torch.nn.Hardswish)
"""Activations whose gradient cannot be told from their output."""

FUNCTIONS = {
    name: value
    for name, value in vars(mmcv.ops).items()
    if "nms" not in name
    and callable(value)
    and not (isinstance(value, type) and issubclass(value, torch.nn.Module))
}
"""The operators of mmcv that are no modules, which a model would hold."""


@MODELS.register_module()
class ForeachExpMomentumEMA(ExpMomentumEMA):
    """The moving average of mmdet with one call for all weights, not one for each."""

    def update_parameters(self, model: torch.nn.Module) -> None:
        if self.steps == 0 or not self.update_buffers:
            super().update_parameters(model)
            return
        if self.steps % self.interval == 0:
            current = model.state_dict()
            pairs = [
                (average.data, current[name].data)
                for name, average in self.avg_parameters.items()
                if average.dtype.is_floating_point
            ]
            averages, values = map(list, zip(*pairs, strict=True))
            weight = (1 - self.momentum) * math.exp(-(1 + self.steps) / self.gamma)
            weight += self.momentum
            # One after the other, since heads that share weights list them repeatedly.
            torch._foreach_lerp_(averages, values, weight)
        self.steps += 1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class FewGroups(DefaultOptimWrapperConstructor):
    """Weights with equal options in one group, which is stepped in one call.

    mmengine makes a group of each weight when it knows rules for some of them.
    """

    def add_params(self, params: list, module, prefix: str = "", **kwargs) -> None:
        super().add_params(params, module, prefix=prefix, **kwargs)
        if prefix:
            return  # a part of the model; the whole comes last
        groups: dict = {}
        for group in params:
            options = {key: value for key, value in group.items() if key != "params"}
            key = tuple(sorted(options.items()))
            groups.setdefault(key, {"params": [], **options})["params"] += group[
                "params"
            ]
        params[:] = groups.values()


def use_fast_parts(cfg: "Config") -> None:
    """Choose the optimizer and the moving average that work in few calls, in place."""
    cfg.optim_wrapper.setdefault("constructor", FewGroups.__name__)
    optimizer = cfg.optim_wrapper.optimizer
    if optimizer.type in FUSED:
        optimizer.setdefault("fused", True)
    for hook in cfg.get("custom_hooks") or []:
        if hook.get("ema_type") == "ExpMomentumEMA":
            hook.ema_type = "ForeachExpMomentumEMA"


def use_channels_last(model: torch.nn.Module) -> None:
    """Lay weights out so that convolutions on CPU run about 1.5 times as fast.

    Operators of mmcv (deformable convolutions, its RoIAlign) read that layout in the
    wrong order, without an error. Parts that use them keep the common one, and what
    comes from the others is brought back to it before it reaches them. So it is for
    heads that look for peaks in heat maps, whose code refuses another one.
    """
    parts = list(_plain_parts(model))
    is_plain = not uses_mmcv_operators(model)
    for part in parts:
        part.to(memory_format=torch.channels_last)
        if not is_plain or _looks_for_peaks(part):
            part.register_forward_hook(_make_contiguous)


def use_new_outputs(model: torch.nn.Module) -> None:
    """Let activations whose gradient needs their input leave that alone.

    In place, autograd copies it before it is overwritten, which takes longer than an
    output of its own and no less memory.
    """
    for module in model.modules():
        if isinstance(module, NEED_THEIR_INPUT):
            module.inplace = False


def _plain_parts(part: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Yield the largest parts with convolutions that use no operator of mmcv."""
    for child in part.children():
        if uses_mmcv_operators(child):
            yield from _plain_parts(child)
        elif any(isinstance(one, torch.nn.Conv2d) for one in child.modules()):
            yield child


def uses_mmcv_operators(part: torch.nn.Module) -> bool:
    """Whether an operator of mmcv is inside a part, or named where its code stands.

    Non-maximum suppression does not count: boxes have no layout.
    """
    modules = list(part.modules())
    classes = {cls for module in modules for cls in type(module).__mro__}
    if any(cls.__module__.startswith("mmcv.ops") for cls in classes):
        return True
    return any(
        name in FUNCTIONS and value is FUNCTIONS[name]
        for code in {cls.__module__ for cls in classes}
        for name, value in vars(sys.modules[code]).items()
    )


def _looks_for_peaks(part: torch.nn.Module) -> bool:
    code = {cls.__module__ for cls in type(part).__mro__}
    return any(
        hasattr(sys.modules[one], get_topk_from_heatmap.__name__) for one in code
    )


def _make_contiguous(part, inputs, outputs):
    return torch.utils._pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.contiguous(), outputs
    )
