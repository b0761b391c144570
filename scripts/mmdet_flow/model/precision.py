"""bfloat16 in backbone and neck, where the CPU gains from it.

Heads and losses stay in float32, and so do the weights and their updates. Validation
runs in float32 too. After "Mixed Precision Training" (Micikevicius et al. 2018), whose
loss scaling bfloat16 does not need.
"""

import copy
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from mmdet_flow import cli
from mmdet_flow.errors import ModelError
from mmdet_flow.model.speed import uses_mmcv_operators

WORTH_IT = 1.1
"""Times as fast as float32 that bfloat16 must be to be chosen."""

ROUNDS = 3


def use_bf16(model: nn.Module) -> None:
    """Compute the features in bfloat16 while training, in place.

    Raises ModelError for a model whose features come from operators of mmcv, which
    have no such form.
    """
    if not can_use_bf16(model):
        raise ModelError(
            "precision bf16: this model's features need operators of mmcv, which "
            "compute in fp32 alone; choose fp32 or auto"
        )
    exact = model.extract_feat

    def extract_feat(*args, **kwargs):
        if not model.training:
            return exact(*args, **kwargs)
        with torch.autocast("cpu", torch.bfloat16):
            features = exact(*args, **kwargs)
        return tree_map_only(torch.Tensor, lambda one: one.float(), features)

    model.extract_feat = extract_feat


def can_use_bf16(model: nn.Module) -> bool:
    """Whether backbone and neck are made of operators of torch alone."""
    parts = [getattr(model, name, None) for name in ("backbone", "neck")]
    return hasattr(model, "extract_feat") and not any(
        uses_mmcv_operators(part) for part in parts if part is not None
    )


def faster_precision(model: nn.Module, shape: tuple[int, int, int, int]) -> str:
    """Return "bf16" or "fp32" by measuring both on features of a batch of ``shape``.

    The model stays as it is. What was measured is logged.
    """
    if not can_use_bf16(model) or not torch.cpu._is_avx512_bf16_supported():
        cli.log.info("precision fp32: this model or this CPU has no bf16")
        return "fp32"
    images = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    exact = copy.deepcopy(model).train()
    fast = copy.deepcopy(model).train()
    use_bf16(fast)
    seconds = {"fp32": [], "bf16": []}
    for _ in range(ROUNDS + 1):
        for name, one in (("fp32", exact), ("bf16", fast)):
            seconds[name].append(_seconds(lambda one=one: _learn(one, images)))
    # The first round prepares; the quickest one is the least disturbed.
    best = {name: min(values[1:]) for name, values in seconds.items()}
    gain = best["fp32"] / best["bf16"]
    choice = "bf16" if gain >= WORTH_IT else "fp32"
    cli.log.info(
        "precision %s: a batch takes %.0f ms in fp32 and %.0f ms in bf16 (%.2f times)",
        *(choice, 1000 * best["fp32"], 1000 * best["bf16"], gain),
    )
    return choice


def _learn(model: nn.Module, images: torch.Tensor) -> None:
    features = model.extract_feat(images)
    sum(one.square().mean() for one in features).backward()


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
