"""Training hooks: they watch the loss, estimate the time, and keep states plain."""

import itertools
import math
import time
from datetime import timedelta
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook, ParamSchedulerHook
from mmengine.registry import HOOKS

from mmdet_flow import cli, layout
from mmdet_flow.errors import ModelError
from mmdet_flow.files import write_json
from mmdet_flow.model.pace import SAID_AFTER, Pace
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


@HOOKS.register_module()
class FollowCourse(ParamSchedulerHook):
    """Lets schedulers go through their plan as the training does.

    That is a step with each iteration and each epoch, as mmengine has it, or more of
    them on the way to an earlier end.
    """

    def after_train_iter(self, runner, *args, **kwargs) -> None:
        course, length = runner.train_loop.course, len(runner.train_dataloader)
        first, last = (course.place(runner.iter + more) for more in (0, 1))
        for place in range(first + 1, last + 1):
            super().after_train_iter(runner, *args, **kwargs)
            if course.turns and place % length == 0:
                super().after_train_epoch(runner)

    def after_train_epoch(self, runner) -> None:
        if not runner.train_loop.course.turns:
            super().after_train_epoch(runner)


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

    Again when it was decided to end early. ``estimate.json`` has the mean of an
    iteration over the whole training, and how many were left. Validations are counted
    by how long one took.
    """

    @master_only
    def before_train(self, runner) -> None:
        self._pace = runner.pace = pace_of(runner)
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
        course = runner.train_loop.course
        is_turned, self._pace.course = course != self._pace.course, course
        now = time.monotonic()
        self._pace.add(runner.iter, now - self._last)
        self._last = now
        left = self._pace.seconds_left(runner.iter + 1)
        runner.message_hub.update_info("eta", left)
        known = self._pace.known
        if known == SAID_AFTER or (is_turned and known > SAID_AFTER):
            self._say(runner, left)

    def _say(self, runner, left: float) -> None:
        done = runner.iter + 1
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
            "validation": round(self._pace.validation, 4),
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
    pace = Pace(
        firsts=[stage.first_epoch * length for stage in stages],
        total=loop.course.planned,
        rehearsal=runner.rehearsal,
        validations=validated,
    )
    pace.course = loop.course
    return pace
