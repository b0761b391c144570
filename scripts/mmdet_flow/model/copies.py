"""A model in each of several processes, and how these models stay equal."""

from typing import TYPE_CHECKING

import torch
from mmengine.dist import all_reduce_params
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from mmengine.config import Config


@MODEL_WRAPPERS.register_module()
class EqualCopies(MMDistributedDataParallel):
    """A model whose copies in all processes are equal after each step, to the last bit.

    torch averages the gradients; here the running statistics of batch norm become their
    mean. So the state that the main process saves is that of all.
    """

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper
    ) -> dict[str, torch.Tensor]:
        losses = super().train_step(data, optim_wrapper)
        all_reduce_params(_moved_statistics(self.module), op="mean")
        return losses


def use_copies(cfg: "Config") -> None:
    """Let each process train a copy of a config's model on CPU, in place."""
    cfg.model_wrapper_cfg = {
        "type": EqualCopies.__name__,
        "device_ids": None,
        "forward_sync_buffers": False,
        "find_unused_parameters": cfg.get("find_unused_parameters", False),
    }
    if cfg.model.type == "RTMDet":
        cfg.model.use_syncbn = False  # or it turns its batch norms into those for GPUs
    if cfg.get("val_evaluator"):
        # By the network; "cpu" would be by files in the working directory.
        cfg.val_evaluator.collect_device = "gpu"


def _moved_statistics(model: torch.nn.Module) -> list[torch.Tensor]:
    """Return what a step in training mode has changed besides weights."""
    return [
        statistics
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.training
        for statistics in (module.running_mean, module.running_var)
        if statistics is not None
    ]
