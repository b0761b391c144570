"""Muon for kernels, AdamW for the rest."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from mmdet_flow.model import muon
from mmdet_flow.model.muon import orthogonal

OPTIONS = {"lr": 0.01, "weight_decay": 0.1}


def direct(matrix: torch.Tensor) -> torch.Tensor:
    """The iterations as they are published, on the whole of a wide matrix."""
    a, b, c = 3.4445, -4.7750, 2.0315
    matrix = matrix / matrix.norm()
    for _ in range(5):
        square = matrix @ matrix.T
        matrix = a * matrix + (b * square + c * square @ square) @ matrix
    return matrix


@pytest.mark.parametrize("shape", [(24, 24), (96, 864), (96, 100), (17, 30), (1, 9)])
def test_what_becomes_orthogonal_is_that_of_the_published_iterations(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(torch.stack([matrix, 3 * matrix]))
    for one in found:
        torch.testing.assert_close(one, direct(matrix), rtol=0, atol=1e-3)
    turned = orthogonal(matrix.T[None])[0]
    torch.testing.assert_close(turned, direct(matrix).T, rtol=0, atol=1e-3)


def test_of_many_rows_blocks_become_orthogonal():
    matrix = torch.randn((192, 864), generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix[None])[0]
    for rows in (slice(0, 96), slice(96, 192)):
        torch.testing.assert_close(found[rows], direct(matrix[rows]), rtol=0, atol=1e-3)
        values = torch.linalg.svdvals(found[rows])
        assert values.min() > 0.5 and values.max() < 1.3
    # A prime number of rows has no blocks, and is as orthogonal as it can be alone.
    assert orthogonal(torch.randn(1, 97, 200)).shape == (1, 97, 200)


def test_what_has_no_gradient_yet_stays():
    """Such as the weights of an expert that saw nothing: zeros in all its gradients."""
    assert not orthogonal(torch.zeros(1, 8, 9)).any()


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.Conv2d(8, 8, 3, groups=8, bias=False),
        torch.nn.BatchNorm2d(8),
        torch.nn.Conv2d(8, 12, 1, bias=False),
        torch.nn.BatchNorm2d(12),
        torch.nn.Conv2d(12, 2, 1),
    )


def learn(net: torch.nn.Module, wrapper, steps: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        images = torch.randn((2, 3, 12, 12), generator=generator)
        wrapper.update_params(net(images).square().mean())
    return net.state_dict()


def wrapper_of(net: torch.nn.Module, **options):
    return build_optim_wrapper(
        net,
        {
            "type": "OptimWrapper",
            "constructor": muon.KernelGroups.__name__,
            "optimizer": {"type": muon.MuonForKernels.__name__, **OPTIONS, **options},
            "paramwise_cfg": {"bias_decay_mult": 0, "norm_decay_mult": 0},
        },
    )


def test_kernels_that_a_norm_follows_are_for_muon():
    net = model()
    groups = wrapper_of(net).optimizer.param_groups
    names = {id(weight): name for name, weight in net.named_parameters()}
    kernels = [
        names[id(one)] for group in groups if group.get("kernels")
        for one in group["params"]
    ]  # fmt: skip
    assert kernels == ["0.weight", "4.weight"]
    assert sum(len(group["params"]) for group in groups) == len(names)


class Switching(torch.nn.Conv2d):
    """A convolution that asks another one how much of it counts, as SAConv2d does."""

    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes, bias=False)
        self.switch = torch.nn.Conv2d(sizes[0], 1, 1)
        self.gain = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.gain * super().forward(images) * self.switch(images).mean()


def test_of_a_convolution_with_parts_the_kernel_alone_is_for_muon():
    net = torch.nn.Sequential(Switching(3, 8, 3), torch.nn.BatchNorm2d(8))
    wrapper = wrapper_of(net)
    groups = wrapper.optimizer.param_groups
    (kernel,) = [
        one for group in groups if group.get("kernels") for one in group["params"]
    ]
    assert kernel is net[0].weight
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    learn(net, wrapper)
    assert not any(
        torch.equal(one, before[name])
        for name, one in net.named_parameters()
        if name.startswith("0.")
    )


def test_all_other_weights_take_the_steps_of_adamw():
    """With no kernel that moves, they are those of torch's own."""
    ours, theirs = model(), model()
    wrapper = wrapper_of(ours)
    for group in wrapper.optimizer.param_groups:
        group["lr"] = 0.0 if group.get("kernels") else group["lr"]
    groups = [
        {"params": group, "lr": rate, "weight_decay": decay}
        for group, rate, decay in (
            ([theirs[0].weight, theirs[4].weight], 0.0, 0.1),
            ([theirs[2].weight, theirs[6].weight], 0.01, 0.1),
            (
                [one for layer in (1, 3, 5) for one in theirs[layer].parameters()]
                + [theirs[6].bias],
                0.01,
                0.0,
            ),
        )
    ]
    plain = build_optim_wrapper(
        theirs, {"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.01}}
    )
    plain.optimizer = torch.optim.AdamW(groups)
    found, wanted = learn(ours, wrapper), learn(theirs, plain)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_kernels_of_one_pixel_take_the_steps_of_the_muon_of_torch():
    """Which are matrices, and are computed in bf16 there."""
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(16, 24, 1, 1) / 5)
    matrix = torch.nn.Parameter(kernel.detach()[:, :, 0, 0].clone())
    begin = matrix.detach().clone()
    ours = muon.MuonForKernels([{"params": [kernel], "kernels": True}], **OPTIONS)
    theirs = torch.optim.Muon([matrix], adjust_lr_fn="match_rms_adamw", **OPTIONS)
    for _ in range(4):
        matrix.grad = torch.randn(16, 24)
        kernel.grad = matrix.grad.clone()[:, :, None, None]
        ours.step()
        theirs.step()
    moved = (matrix - begin).norm()
    assert (kernel[:, :, 0, 0] - matrix).norm() < 0.02 * moved


def test_the_layout_of_the_weights_decides_nothing():
    torch.manual_seed(0)
    weights = torch.randn(12, 8, 3, 3)
    layouts = (torch.contiguous_format, torch.channels_last)
    found = []
    for layout in layouts:
        kernel = torch.nn.Parameter(weights.clone(memory_format=layout))
        optimizer = muon.MuonForKernels(
            [{"params": [kernel], "kernels": True}], **OPTIONS
        )
        torch.manual_seed(1)
        for _ in range(3):
            kernel.grad = torch.randn(12, 8, 3, 3).clone(memory_format=layout)
            optimizer.step()
        assert kernel.is_contiguous(memory_format=layout)
        found.append(kernel.detach())
    assert (found[0] - weights).abs().max() > 0.01
    torch.testing.assert_close(*found)


def test_a_state_goes_on_with_the_same_bytes():
    whole, part = model(), model()
    wrapper = wrapper_of(part)
    learn(part, wrapper)
    state = copy.deepcopy((part.state_dict(), wrapper.state_dict()))
    whole.load_state_dict(state[0])
    resumed = wrapper_of(whole)
    resumed.load_state_dict(state[1])
    wanted = learn(part, wrapper)
    assert not torch.equal(wanted["0.weight"], state[0]["0.weight"])
    found = learn(whole, resumed)
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())
