"""bfloat16 in backbone, neck and convolutional heads, where the CPU gains from it.

Losses stay in float32, and so do the weights and their updates. Validation runs in
float32 too. After "Mixed Precision Training" (Micikevicius et al. 2018), whose
loss scaling bfloat16 does not need.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.utils._pytree import tree_map_only

from mmdet_flow import cli
from mmdet_flow.cache import default_cache
from mmdet_flow.errors import ModelError
from mmdet_flow.files import write_if_changed
from mmdet_flow.model.processes import any_process
from mmdet_flow.model.rehearsal import rehearsal_copy, seconds_to_learn
from mmdet_flow.model.speed import uses_mmcv_operators

WORTH_IT = 1.1
"""Times as fast as float32 that bfloat16 must be to be chosen."""

ROUNDS = 3

HEADS = ("rpn_head", "bbox_head", "mask_head")
"""What mmdet calls the heads of a detector and of its second stage."""


def use_bf16(model: nn.Module) -> None:
    """Compute features and the outputs of heads in bfloat16 while training, in place.

    Raises ModelError for a model whose features come from operators of mmcv, which
    have no such form.
    """
    if not can_use_bf16(model):
        raise ModelError(
            "precision bf16: this model's features need operators of mmcv, which "
            "compute in fp32 alone; choose fp32 or auto"
        )
    model.extract_feat = _in_bf16(model.extract_feat, model)
    for head in _convolutional_heads(model):
        head.forward = _in_bf16(head.forward, model)
    for module in model.modules():
        if _is_depthwise(module):
            module.forward = _in_fp32(module.forward)


def can_use_bf16(model: nn.Module) -> bool:
    """Whether backbone and neck are made of operators of torch alone."""
    parts = [getattr(model, name, None) for name in ("backbone", "neck")]
    return hasattr(model, "extract_feat") and not any(
        uses_mmcv_operators(part) for part in parts if part is not None
    )


def _convolutional_heads(model: nn.Module) -> list[nn.Module]:
    """Return the heads of the first and second stage that torch alone computes.

    Not those of transformers, which refine coordinates from layer to layer: bfloat16
    holds them to a 256th.
    """
    if hasattr(model, "forward_transformer"):
        return []
    heads = []
    for stage in (model, getattr(model, "roi_head", None)):
        for name in HEADS:
            head = getattr(stage, name, None)
            heads += head if isinstance(head, nn.ModuleList) else [head]
    return [
        head for head in heads if head is not None and not uses_mmcv_operators(head)
    ]


def _in_bf16(function: Callable, model: nn.Module) -> Callable:
    """Return the function in bfloat16 while ``model`` trains; results are float32."""

    def run(*args, **kwargs):
        if not model.training:
            return function(*args, **kwargs)
        with torch.autocast("cpu", torch.bfloat16):
            results = function(*args, **kwargs)
        return tree_map_only(torch.Tensor, _as_float32, results)

    return run


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1


def _in_fp32(function: Callable) -> Callable:
    """Return a depthwise convolution whose weights get their gradient in float32.

    That takes half the time of it in bfloat16. The result is in the input's precision.
    """

    def run(features: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return function(features.float()).to(features.dtype)

    return run


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


class Note:
    """The precision that this machine was found to be faster in, in the cache.

    ``work`` tells what is computed, and by what. Measuring again could end otherwise,
    and a training that is repeated would not give the same bytes.
    """

    def __init__(self, work: Iterable[object]) -> None:
        name = hashlib.sha256("\n".join(map(str, work)).encode()).hexdigest()
        self._file = default_cache() / "precision" / f"{name}.txt"

    def read(self) -> str | None:
        """Return what was noted, if anything was."""
        try:
            known = self._file.read_text().strip()
        except OSError:
            return None
        if known not in ("fp32", "bf16"):
            return None
        cli.log.info("precision %s, as measured before: %s", known, self._file)
        return known

    def write(self, choice: str) -> None:
        try:
            write_if_changed(self._file, f"{choice}\n")
        except OSError as error:
            reason = f"{error.strerror}; it is measured again"
            cli.log.warning("%s: %s", self._file, reason)


def faster_precision(model: nn.Module, batch: dict) -> str:
    """Return "bf16" or "fp32" by measuring steps of both on a batch of the loader.

    The model stays as it is. What was measured is logged. All processes of a training
    do this together, since their losses wait for each other.
    """
    unable = not can_use_bf16(model) or not torch.cpu._is_avx512_bf16_supported()
    if any_process(unable):
        cli.log.info("precision fp32: this model or this CPU has no bf16")
        return "fp32"
    exact = rehearsal_copy(model)
    fast = copy.deepcopy(exact)
    use_bf16(fast)
    seconds = {"fp32": [], "bf16": []}
    for _ in range(ROUNDS + 1):
        for name, one in (("fp32", exact), ("bf16", fast)):
            seconds[name].append(seconds_to_learn(one, batch))
    # The first round prepares; the quickest one is the least disturbed.
    best = {name: min(values[1:]) for name, values in seconds.items()}
    gain = best["fp32"] / best["bf16"]
    choice = "bf16" if gain >= WORTH_IT else "fp32"
    cli.log.info(
        "precision %s: a batch takes %.0f ms in fp32 and %.0f ms in bf16 (%.2f times)",
        choice,
        1000 * best["fp32"],
        1000 * best["bf16"],
        gain,
    )
    return choice
