"""Training hooks: repeatable epochs, and a stop when the loss is lost."""

import math
import random

import numpy as np
import torch
from mmengine.hooks import Hook

from mmdet_flow.errors import ModelError


class ReseedHook(Hook):
    """Seed all random streams from (seed, epoch) at the start of each epoch.

    A resumed training then draws the same numbers as an uninterrupted one. Caches
    of mixed images (CachedMosaic, CachedMixUp) start empty for the same reason.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner) -> None:
        words = np.random.SeedSequence([self.seed, runner.epoch]).generate_state(3)
        random.seed(int(words[0]))
        np.random.seed(int(words[1]))
        torch.manual_seed(int(words[2]))
        for transform in _transforms(runner.train_dataloader.dataset):
            if hasattr(transform, "results_cache"):
                transform.results_cache = []


class StopOnNonFiniteLoss(Hook):
    """End the training when a loss is NaN or infinite, before it spoils the weights."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        loss = float(outputs["loss"]) if outputs and "loss" in outputs else 0.0
        if not math.isfinite(loss):
            raise ModelError(
                f"epoch {runner.epoch + 1}, iteration {batch_idx + 1}: the loss is "
                f"{loss}; lower the learning rate or check the annotations"
            )


def _transforms(dataset):
    """Yield the transforms of a data set and of those that it wraps."""
    while dataset is not None:
        pipeline = getattr(dataset, "pipeline", None)
        yield from getattr(pipeline, "transforms", pipeline) or []
        dataset = getattr(dataset, "dataset", None)
