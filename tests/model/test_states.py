"""States of any scheduler and optimizer read as plain values, and go on from there."""

import copy

import mmengine.optim  # noqa: F401, registers what the tests try
import pytest
import torch
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS

from mmdet_flow.model.checkpoint import load_training_checkpoint
from mmdet_flow.model.hooks import DropMethods

SETTINGS = {
    "Step": {"step_size": 2},
    "MultiStep": {"milestones": [2, 4, 4]},
    "Constant": {"end": 3},
    "Exponential": {"gamma": 0.5},
    "CosineAnnealing": {"T_max": 8},
    "Linear": {"end": 3},
    "Poly": {"end": 8},
    "OneCycle": {"eta_max": 1.0, "total_steps": 8},
    "CosineRestart": {"periods": [2, 6], "restart_weights": [1, 0.5], "eta_min": 0.0},
    "ReduceOnPlateau": {"patience": 1},
}
OF_OTHERS = {"Optimizer", "LBFGS", "SparseAdam", "ZeroRedundancyOptimizer"}
"""The base class, and what needs closures, sparse gradients or several processes."""


def read_back(tmp_path, **state) -> dict:
    """Return what a saved state reads as."""
    checkpoint = {"state_dict": {}, "meta": {}, **state}
    DropMethods().before_save_checkpoint(None, checkpoint)
    torch.save(checkpoint, tmp_path / "iter_1.pth")
    return load_training_checkpoint(tmp_path / "iter_1.pth")


def new_optimizer(name: str, weight: torch.Tensor) -> torch.optim.Optimizer:
    weight = torch.nn.Parameter(weight.clone())
    return OPTIMIZERS.build({"type": name, "params": [weight], "lr": 0.1})


def new_scheduler(name: str):
    settings = dict(SETTINGS[name.removesuffix("LR").removesuffix("Momentum")])
    optimizer = OPTIMIZERS.build(
        {
            "type": "SGD",
            "params": [torch.nn.Parameter(torch.ones(2, 2))],
            "momentum": 0.9,
            "lr": 0.1,
        }
    )
    return PARAM_SCHEDULERS.build({"type": name, "optimizer": optimizer, **settings})


def values_of(scheduler, steps: int) -> list:
    """Return what a scheduler sets in so many steps, of which none is better."""
    found = []
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step(
            *([{"loss": 1.0}] if "Plateau" in type(scheduler).__name__ else [])
        )
        group = scheduler.optimizer.param_groups[0]
        found.append((group["lr"], group["momentum"]))
    return found


def test_all_schedulers_are_tried():
    names = {name for name in PARAM_SCHEDULERS.module_dict if "Param" not in name}
    tried = {name + end for name in SETTINGS for end in ("LR", "Momentum")}
    assert names == tried - {"OneCycleMomentum"}


@pytest.mark.parametrize(
    "name",
    sorted(name for name in PARAM_SCHEDULERS.module_dict if "Param" not in name),
)
def test_schedulers_go_on_where_they_were(tmp_path, name):
    whole = new_scheduler(name)
    expected = values_of(whole, 6)
    assert len(set(expected)) > 1
    first, second = new_scheduler(name), new_scheduler(name)
    begun = values_of(first, 3)
    state = read_back(tmp_path, param_schedulers=[first.state_dict()])
    second.load_state_dict(state["param_schedulers"][0])
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert begun + values_of(second, 3) == expected
    several = read_back(tmp_path, param_schedulers={"one": [first.state_dict()]})
    assert several["param_schedulers"] == {"one": state["param_schedulers"]}


@pytest.mark.parametrize("name", sorted({*OPTIMIZERS.module_dict} - OF_OTHERS))
def test_optimizers_go_on_where_they_were(tmp_path, name):
    def steps(optimizer, number: int) -> torch.Tensor:
        (weight,) = optimizer.param_groups[0]["params"]
        for _ in range(number):
            weight.grad = weight.detach() ** 2 + 0.5
            optimizer.step()
        return weight.detach()

    start = torch.arange(6.0).reshape(2, 3)
    expected = steps(new_optimizer(name, start), 4)
    first = new_optimizer(name, start)
    half = steps(first, 2)
    state = read_back(tmp_path, optimizer=copy.deepcopy(first.state_dict()))
    second = new_optimizer(name, half)
    second.load_state_dict(state["optimizer"])
    torch.testing.assert_close(steps(second, 2), expected, rtol=0, atol=0)
