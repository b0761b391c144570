"""Muon: steps whose singular values are alike, for the kernels of convolutions.

After "Muon: An optimizer for hidden layers in neural networks" (Jordan and others
2024), with the size of steps of "Muon is Scalable for LLM Training" (Liu and others
2025): that of AdamW, whose learning rates therefore suit. torch's own Muon takes no
kernels, only matrices, and computes in bf16, which many CPUs do slower than fp32.
"""

from collections import defaultdict

import torch
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS

from mmdet_flow.model.speed import FewGroups

COEFFICIENTS = 3.4445, -4.7750, 2.0315
"""Of a x + b x**3 + c x**5, which brings singular values near to 1 (Jordan)."""

ITERATIONS = 5

MOMENTUM = 0.95

LIKE_ADAMW = 0.2
"""The root mean square of AdamW's steps, as a part of the learning rate (Liu)."""

ROWS = 96
"""Of a matrix are made orthogonal together.

The work grows with their square. Blocks of this size learned as much as whole matrices.
"""


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class KernelGroups(FewGroups):
    """Groups of weights, of which those with ``kernels`` are for Muon.

    These are the kernels of convolutions that a norm follows, as the lack of a bias
    tells; not of depthwise ones, which are no matrices.
    """

    def add_params(self, params: list, module, prefix: str = "", **kwargs) -> None:
        before = len(params)
        super().add_params(params, module, prefix=prefix, **kwargs)
        if not _has_kernels(module):
            return
        for group in params[before:]:
            # A convolution may hold other weights, and parts that were asked already.
            if any(one is module.weight for one in group["params"]):
                group["kernels"] = True


def _has_kernels(module: torch.nn.Module) -> bool:
    return (
        isinstance(module, torch.nn.Conv2d)
        and module.groups == 1
        and module.bias is None
    )


@OPTIMIZERS.register_module()
class MuonForKernels(torch.optim.AdamW):
    """Muon for groups of weights with ``kernels``, and AdamW for all others."""

    @torch.no_grad()
    def step(self, closure=None):
        """Change the weights by their gradients."""
        groups = self.param_groups
        self.param_groups = [one for one in groups if not one.get("kernels")]
        try:
            loss = super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group.get("kernels"):
                self._step_kernels(group)
        return loss

    def _step_kernels(self, group: dict) -> None:
        kernels = [one for one in group["params"] if one.grad is not None]
        if not kernels:
            return
        torch._foreach_mul_(kernels, 1 - group["lr"] * group["weight_decay"])
        by_shape = defaultdict(list)
        for kernel, ahead in zip(kernels, self._averages(kernels), strict=True):
            # In the order in which channels_last has them, so that nothing is copied.
            matrix = ahead.permute(0, 2, 3, 1).flatten(1)
            by_shape[matrix.shape].append((kernel, matrix))
        for shape, pairs in by_shape.items():
            steps = orthogonal(torch.stack([matrix for _, matrix in pairs]))
            size = group["lr"] * LIKE_ADAMW * max(shape) ** 0.5
            for (kernel, _), step in zip(pairs, steps, strict=True):
                _, channels, *window = kernel.shape
                step = step.unflatten(1, (*window, channels)).permute(0, 3, 1, 2)
                kernel.sub_(step, alpha=size)

    def _averages(self, kernels: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Return moving averages of the gradients, laid out as the kernels are."""
        for one in kernels:
            if not self.state[one]:
                # The step is what AdamW looks for in a state that is loaded.
                values = {"step": torch.zeros(()), "average": torch.zeros_like(one)}
                self.state[one] = values
        averages = [self.state[one]["average"] for one in kernels]
        gradients = [one.grad for one in kernels]
        torch._foreach_lerp_(averages, gradients, 1 - MOMENTUM)
        # Nesterov's: what they would be after such a gradient again.
        return torch._foreach_lerp(averages, gradients, 1 - MOMENTUM)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices (n, rows, columns) with singular values near to 1.

    By Newton-Schulz iterations. ``ROWS`` at most are made orthogonal to one another,
    along the shorter side.
    """
    count, rows, columns = matrices.shape
    if rows > columns:
        return orthogonal(matrices.transpose(1, 2)).transpose(1, 2)
    each = _rows_of_block(rows)
    blocks = matrices.reshape(count * rows // each, each, columns)
    return _orthogonal(blocks).reshape(matrices.shape)


def _rows_of_block(rows: int) -> int:
    """Return the most rows up to ``ROWS`` that divide a matrix evenly."""
    return next(each for each in range(min(rows, ROWS), 0, -1) if rows % each == 0)


def _orthogonal(wide: torch.Tensor) -> torch.Tensor:
    a, b, c = COEFFICIENTS
    # Of the small square W W^T alone: all factors of W are polynomials of it.
    square = wide @ wide.transpose(1, 2)
    trace = square.diagonal(dim1=1, dim2=2).sum(1)[:, None, None].clamp_min(1e-14)
    square = square / trace
    whole = torch.eye(wide.shape[1]) / trace.sqrt()
    for _ in range(ITERATIONS):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        whole = factor @ whole
        square = factor @ square @ factor
    return whole @ wide
