"""One step of training and one of validation on two images, before the long run.

A mistake then costs seconds. A model that needs what the CPU lacks is refused here.
"""

import re
from collections.abc import Callable

from mmengine.runner import Runner

from mmdet_flow import cli
from mmdet_flow.errors import FlowError, ModelError
from mmdet_flow.model.building import building
from mmdet_flow.model.rehearsal import (
    Rehearsal,
    learn,
    rehearsal_copy,
    seconds_to_validate,
    take_batch,
    val_step,
)
from mmdet_flow.model.stages import Stage, stages_of

IMAGES = 2

NO_CPU_FORM = re.compile(r"(\w+?)(?:_forward|_backward)?_impl: implementation for dev")
"""How mmcv says that an operator is not there for this processor."""


def preflight(runner: Runner) -> None:
    """Try both steps on a copy of the model; raises ModelError with what failed.

    The data sets that are loaded for it stay with the runner, and how long a
    validation will take.
    """
    runner._train_dataloader = runner.build_dataloader(
        runner._train_dataloader, seed=runner.seed
    )
    with building():
        model = rehearsal_copy(getattr(runner.model, "module", runner.model))
    for counter in ("epoch", "iter"):  # which some losses and augmentations ask for
        runner.message_hub.update_info(counter, 0)
    for stage in stages_of(runner.cfg):
        _try("training", _train_step, model, runner.train_dataloader, stage)
    if runner._val_dataloader is not None:
        runner._val_dataloader = runner.build_dataloader(
            runner._val_dataloader, seed=runner.seed
        )
        _try("validation", val_step, model, runner._val_dataloader)
        seconds = seconds_to_validate(model, runner._val_dataloader)
        runner.rehearsal = Rehearsal(validation=seconds)
    cli.log.info("preflight: a step of training and one of validation went well")


def _train_step(model, loader, stage: Stage) -> None:
    learn(model, take_batch(loader, IMAGES, stage))


def _try(what: str, step: Callable[..., None], *parts) -> None:
    try:
        step(*parts)
    except FlowError:
        raise
    except Exception as error:  # whatever a model of the zoo may raise
        if found := NO_CPU_FORM.search(str(error)):
            raise ModelError(
                f"this model needs the operator {found[1]} of mmcv, which has no form "
                "for the CPU; choose another model (mmdet-flow model config --list)"
            ) from error
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"preflight: a step of {what} fails with {type(error).__name__}: "
            f"{lines[0]}; check model and options (--debug shows where)"
        ) from error
