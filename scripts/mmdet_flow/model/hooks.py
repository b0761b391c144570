"""Training hooks: they watch the loss, estimate the time, and keep states plain."""

import itertools
import math
import time
from datetime import timedelta
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook

from mmdet_flow import cli, layout
from mmdet_flow.errors import ModelError
from mmdet_flow.files import write_json
from mmdet_flow.model.pace import Pace
from mmdet_flow.model.stages import stages_of


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
    """Says how long a training will take: after 20 iterations, and in each line's eta.

    ``estimate.json`` has the mean of an iteration over the whole training, and how many
    were left. Validations are counted by how long one took.
    """

    SAID_AFTER = 20

    @master_only
    def before_train(self, runner) -> None:
        self._pace = pace_of(runner)
        self._begun = runner.iter
        self._last = time.monotonic()

    @master_only
    def before_train_epoch(self, runner) -> None:
        self._last = time.monotonic()

    @master_only
    def before_val(self, runner) -> None:
        self._val_began = time.monotonic()

    @master_only
    def after_val(self, runner) -> None:
        self._pace.validated(time.monotonic() - self._val_began)

    @master_only
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        now = time.monotonic()
        self._pace.add(runner.iter, now - self._last)
        self._last = now
        done = runner.iter + 1
        left = self._pace.seconds_left(done)
        runner.message_hub.update_info("eta", left)
        if done - self._begun != self.SAID_AFTER:
            return
        cli.log.info(
            "%.3f s an iteration; the other %d take about %s",
            self._pace.seconds_of(runner.iter),
            runner.max_iters - done,
            timedelta(seconds=round(left)),
        )
        estimate = {
            "seconds_per_iteration": round(self._pace.mean, 4),
            "iterations": runner.max_iters - done,
            "total": runner.max_iters,
            "stages": self._pace.stages,
        }
        write_json(Path(runner.work_dir) / layout.ESTIMATE.name, estimate)


def pace_of(runner) -> Pace:
    """Return the pace of a runner's training, of which no iteration is known yet."""
    loop, length = runner.train_loop, len(runner.train_dataloader)
    stages = stages_of(runner.cfg)
    validated = [
        epoch * length
        for epoch in range(1, loop.max_epochs + 1)
        if runner.val_loop is not None
        and epoch >= loop.val_begin
        and (epoch % loop.val_interval == 0 or epoch == loop.max_epochs)
    ]
    return Pace(
        firsts=[stage.first_epoch * length for stage in stages],
        total=loop.max_iters,
        rehearsal=runner.rehearsal,
        validations=validated,
    )
