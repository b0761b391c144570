"""mmengine's runner as a training here needs it."""

import copy
import functools
import math
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.runner import Runner

from mmdet_flow.errors import ModelError
from mmdet_flow.files import new_file
from mmdet_flow.model.hooks import StopOnNonFiniteLoss
from mmdet_flow.model.loop import ResumableTrainLoop
from mmdet_flow.model.precision import faster_precision, use_bf16
from mmdet_flow.model.speed import use_channels_last, use_fast_parts
from mmdet_flow.model.work_dir import WorkDir


class TrainingRunner(Runner):
    """A runner whose checkpoints are whole or not there."""

    @master_only
    def save_checkpoint(self, out_dir, filename: str, *args, **kwargs) -> None:
        path = Path(out_dir) / filename
        try:
            with new_file(path) as temporary:
                super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be saved: {error.strerror}; what was saved before is "
                "whole, mend this and start the same command again"
            ) from error


class FixedConfig(Config):
    """A config whose text is made once, which takes half a second, not at each save."""

    @functools.cached_property
    def pretty_text(self) -> str:
        return super().pretty_text


def build_runner(cfg: Config, precision: str, **loop_options) -> TrainingRunner:
    """Return a runner for a patched config, which stays as it is.

    ``precision`` is "fp32", "bf16", or "auto" for the faster one on this machine, which
    a resumed training keeps. ``loop_options`` are those of ResumableTrainLoop.
    Raises ModelError for a config that cannot be built.
    """
    cfg = FixedConfig(cfg.to_dict(), filename=cfg.filename)
    use_fast_parts(cfg)
    saving = cfg.default_hooks.get("checkpoint") or {}
    cfg.default_hooks.checkpoint = None  # the loop saves
    cfg.train_cfg.type = ResumableTrainLoop.__name__
    cfg.train_cfg.update(
        keep=max(1, saving.get("max_keep_ckpts", 1)),
        save_best=saving.get("save_best"),
        **loop_options,
    )
    try:
        runner = TrainingRunner.from_cfg(cfg)
    except (KeyError, TypeError, FileNotFoundError, ValueError) as error:
        raise ModelError(f"the config cannot be built: {error}") from error
    runner.register_hook(StopOnNonFiniteLoss())
    use_channels_last(runner.model)
    _use_precision(runner, precision)
    return runner


def _use_precision(runner: TrainingRunner, precision: str) -> None:
    model = getattr(runner.model, "module", runner.model)
    if precision == "auto":
        shape = _batch_shape(runner)
        work_dir = WorkDir(runner.work_dir)
        precision = work_dir.decide("precision", lambda: faster_precision(model, shape))
    if precision == "bf16":
        use_bf16(model)


def _batch_shape(runner: TrainingRunner) -> tuple[int, int, int, int]:
    """Return (images, channels, height, width) of a batch, in multiples of 32."""
    loader = runner.build_dataloader(copy.deepcopy(runner.cfg.train_dataloader))
    channels, height, width = loader.dataset[0]["inputs"].shape
    height, width = (math.ceil(side / 32) * 32 for side in (height, width))
    return loader.batch_sampler.batch_size, channels, height, width
