"""mmengine's runner as a training here needs it."""

import functools
import inspect
import logging
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from mmdet_flow.errors import ModelError
from mmdet_flow.files import new_file
from mmdet_flow.model import loading, muon  # noqa: F401  to have them registered
from mmdet_flow.model.building import building
from mmdet_flow.model.checkpoint import load_training_checkpoint
from mmdet_flow.model.config import text_of
from mmdet_flow.model.copies import use_copies
from mmdet_flow.model.course import SHORTENED
from mmdet_flow.model.first_weights import load_weights
from mmdet_flow.model.hooks import (
    DropMethods,
    EstimateTime,
    FollowCourse,
    StopOnNonFiniteLoss,
)
from mmdet_flow.model.loop import ResumableTrainLoop
from mmdet_flow.model.metrics import RecordMetrics
from mmdet_flow.model.pace import Pace
from mmdet_flow.model.precision import Note, faster_precision, use_bf16
from mmdet_flow.model.processes import on_main
from mmdet_flow.model.rehearsal import (
    Rehearsal,
    rehearsal_copy,
    seconds_to_learn,
    take_batch,
)
from mmdet_flow.model.speed import (
    use_channels_last,
    use_fast_parts,
    use_new_outputs,
)
from mmdet_flow.model.stages import Stage, stages_of
from mmdet_flow.model.work_dir import WorkDir
from mmdet_flow.roi_align import use_fast_roi_align

MEASURED_BY = ("threads", "processes", "cpu", "features", "versions")
"""What of a recipe the speed of a precision depends on."""


STEPS = "ParamSchedulerHook"
"""What mmengine calls the hook that lets schedulers go on."""


class TrainingRunner(Runner):
    """A runner whose checkpoints are whole or not there."""

    first_weights: Path | None = None
    """What the model starts from, if not from its own first weights."""

    pace: Pace | None = None
    """How fast the training is; of the main process."""

    rehearsal = Rehearsal()
    """How long steps took that were tried before the training."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """Return the log; of its pages on machine, config, hooks and parameters, the
        terminal gets the progress, and the file in the work folder all.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_progress)
        return logger

    @master_only
    def save_checkpoint(self, out_dir, filename: str, *args, **kwargs) -> None:
        path = Path(out_dir) / filename
        try:
            with new_file(path) as temporary:
                super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)
        except OSError as error:
            raise ModelError(
                f"{path}: cannot be saved: {error.strerror}; what was saved before is "
                "whole, fix this and start the same command again"
            ) from error

    def resume(self, filename: str, *args, **kwargs) -> None:
        try:
            super().resume(filename, *args, **kwargs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"{filename}: is no state of this training ({error}); name one of its "
                "work folder, or --load-from for its weights alone"
            ) from error

    def load_checkpoint(self, filename: str, *args, **kwargs) -> dict:
        """Load a state by our own reader, which lets it make plain values alone.

        mmengine's executes the config that old states have.
        """
        checkpoint = load_training_checkpoint(Path(filename))
        checkpoint.get("meta", {}).pop("config", None)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        try:
            self.bare_model.load_state_dict(checkpoint["state_dict"])
        except RuntimeError as error:
            raise ModelError(
                f"{filename}: does not fit the config: "
                f"{str(error).splitlines()[-1].strip()}; name a state of this training"
            ) from error
        self._has_loaded = True
        return checkpoint

    def choose_precision(self, precision: str) -> None:
        """Compute steps in "fp32", "bf16" or, for "auto", in the faster of them.

        A resumed training keeps what it began with, and another one of such a model on
        this machine takes what was measured for the first.
        """
        if precision == "auto":
            precision = self._faster_precision()
        if len(stages := stages_of(self.cfg)) > 1:
            steps = self._seconds_of_steps(stages, precision)
            self.rehearsal = replace(self.rehearsal, steps=steps)
        if precision == "bf16":
            use_bf16(self.bare_model)

    def _seconds_of_steps(
        self, stages: list[Stage], precision: str
    ) -> tuple[float, ...]:
        """Time a step of each stage, on a copy of the model."""
        model, loader = rehearsal_copy(self.bare_model), self.train_dataloader
        if precision == "bf16":
            use_bf16(model)
        count = loader.batch_sampler.batch_size
        batches = [take_batch(loader, count, stage) for stage in stages]
        seconds_to_learn(model, batches[-1])  # which prepares
        return tuple(seconds_to_learn(model, batch) for batch in batches)

    def _faster_precision(self) -> str:
        work_dir, loader, cfg = WorkDir(self.work_dir), self.train_dataloader, self.cfg
        batch_size = loader.batch_sampler.batch_size

        def find() -> tuple[str | None, Note]:
            recipe = work_dir.recipe()
            now = work_dir.in_force()
            by = [now.get(key) for key in MEASURED_BY]
            size = cfg.test_dataloader.dataset.pipeline
            note = Note([cfg.model, size, batch_size, *by])
            return recipe.get("precision") or note.read(), note

        known, note = on_main(find)
        last = stages_of(cfg)[-1]
        choice = known or faster_precision(
            self.bare_model, take_batch(loader, batch_size, last)
        )

        def keep() -> str:
            if not known:
                note.write(choice)
            return work_dir.decide("precision", choice)

        return on_main(keep)

    def wrap_model(self, model_wrapper_cfg, model: nn.Module) -> nn.Module:
        use_fast_roi_align(model)
        use_channels_last(model)
        use_new_outputs(model)
        return super().wrap_model(model_wrapper_cfg, model)

    @property
    def bare_model(self) -> nn.Module:
        """The model without the wrapper of several processes."""
        return getattr(self.model, "module", self.model)

    build_train_loop = building()(Runner.build_train_loop)
    build_val_loop = building()(Runner.build_val_loop)
    build_dataloader = staticmethod(building()(Runner.build_dataloader))
    build_param_scheduler = building()(Runner.build_param_scheduler)
    scale_lr = building()(Runner.scale_lr)

    @building()
    def build_optim_wrapper(self, *args, **kwargs) -> OptimWrapper:
        """Return the optimizer; clips gradients by arguments that a step can take."""
        wrapper = super().build_optim_wrapper(*args, **kwargs)
        if clipping := getattr(wrapper, "clip_grad_kwargs", None):
            inspect.signature(wrapper.clip_func).bind([], **clipping)
        return wrapper

    def train(self) -> nn.Module:
        # The first weights depend on the seed alone, whatever was tried before.
        self.set_randomness(**self._randomness_cfg)
        return super().train()

    def _init_model_weights(self) -> None:
        super()._init_model_weights()
        if self.first_weights:
            load_weights(self.bare_model, self.first_weights)


class FixedConfig(Config):
    """A config whose text is made once, not at each save."""

    @functools.cached_property
    def pretty_text(self) -> str:
        return text_of(self)


def build_runner(
    cfg: Config, first_weights: Path | None = None, **loop_options
) -> TrainingRunner:
    """Return a runner for a patched config, which stays as it is.

    ``loop_options`` are those of ResumableTrainLoop. Raises ModelError for a config
    that cannot be built.
    """
    cfg = FixedConfig(cfg.to_dict(), filename=cfg.filename)
    use_fast_parts(cfg)
    saving = cfg.default_hooks.get("checkpoint") or {}
    cfg.default_hooks.checkpoint = None  # the loop saves
    if cfg.launcher != "none":
        use_copies(cfg)
    cfg.train_cfg.type = ResumableTrainLoop.__name__
    cfg.train_cfg.update(
        keep=max(1, saving.get("max_keep_ckpts", 1)),
        save_best=saving.get("save_best"),
        **loop_options,
    )
    _use_course(cfg)
    with building():
        runner = TrainingRunner.from_cfg(cfg)
    runner.first_weights = first_weights
    for hook in (StopOnNonFiniteLoss, RecordMetrics, EstimateTime, DropMethods):
        runner.register_hook(hook())
    return runner


def _use_course(cfg: Config) -> None:
    """Let schedulers follow the course; a hook of the config's own stays as it is."""
    own = cfg.default_hooks.get("param_scheduler", {})
    if own is None:  # the learning rate is to stay
        return
    if own.get("type", STEPS) == STEPS:
        cfg.default_hooks.param_scheduler = {**own, "type": FollowCourse.__name__}
    elif cfg.train_cfg.get("time_limit") or cfg.train_cfg.get(SHORTENED):
        raise ModelError(
            f"default_hooks.param_scheduler is a {own['type']}, which cannot end a "
            f"schedule early; take mmengine's {STEPS}, or leave out --hours"
        )


def _is_progress(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or record.getMessage().startswith("Epoch(")
