"""Training hooks: they watch the loss, estimate the time, and keep states plain."""

import itertools
import math
import statistics
import time
from datetime import timedelta
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from mmdet_flow import cli, layout
from mmdet_flow.errors import ModelError
from mmdet_flow.files import write_json


class StopOnNonFiniteLoss(Hook):
    """End the training when a loss is NaN or infinite, before weights are saved."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if not outputs or "loss" not in outputs:
            return
        loss = outputs["loss"].item()
        if not math.isfinite(loss):
            images = ", ".join(one.img_path for one in data_batch["data_samples"])
            raise ModelError(
                f"epoch {runner.epoch + 1}, iteration {batch_idx + 1}: the loss is "
                f"{loss} for {images}; lower the learning rate, or check the "
                "annotations of these images"
            )


class DropMethods(Hook):
    """Keeps the methods that a scheduler holds out of states.

    Pickled, they bring along the scheduler and its optimizer, which reads as code. A
    scheduler made of the same config has them, so a resumed training misses nothing.
    """

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        schedulers = checkpoint.get("param_schedulers", [])
        of_each = schedulers.values() if isinstance(schedulers, dict) else [schedulers]
        for state in itertools.chain.from_iterable(of_each):
            for name in [name for name, value in state.items() if callable(value)]:
                del state[name]


class EstimateTime(Hook):
    """Says after 20 iterations how long all will take, and writes ``estimate.json``.

    The first iterations are slower and do not count; validations are not included.
    """

    SKIPPED, COUNTED = 5, 15

    @master_only
    def before_train(self, runner) -> None:
        self._seconds: list[float] = []
        self._last = time.monotonic()

    @master_only
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last = now
        if len(self._seconds) != self.SKIPPED + self.COUNTED:
            return
        each = statistics.median(self._seconds[self.SKIPPED :])
        left = runner.max_iters - runner.iter - 1
        cli.log.info(
            "%.3f s an iteration; the other %d take about %s",
            each,
            left,
            timedelta(seconds=round(each * left)),
        )
        estimate = {
            "seconds_per_iteration": round(each, 4),
            "iterations": left,
            "total": runner.max_iters,
        }
        write_json(Path(runner.work_dir) / layout.ESTIMATE.name, estimate)
