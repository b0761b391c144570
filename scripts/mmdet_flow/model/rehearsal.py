"""Steps of a training on a copy of its model, which change nothing."""

import copy
import time
from dataclasses import dataclass

from torch import nn

from mmdet_flow.model.stages import Stage, images_of


@dataclass(frozen=True)
class Rehearsal:
    """How many seconds parts of a training take.

    Attributes:
        steps: a step of each stage, without loading and update; none is known of a
            training with one stage.
        validation: all images of the validation, one after the other.
    """

    steps: tuple[float, ...] = ()
    validation: float = 0.0


def rehearsal_copy(model) -> nn.Module:
    """Return a copy of a model with first weights, to try steps on."""
    model = copy.deepcopy(model)
    model.init_weights()
    return model


def take_batch(loader, count: int, stage: Stage | None = None) -> dict:
    """Return a batch of the first images of a data set, as a stage has them."""
    count = min(count, len(loader.dataset))
    with images_of(stage or Stage(0), loader.dataset):
        return loader.collate_fn([loader.dataset[index] for index in range(count)])


def learn(model, batch: dict) -> None:
    """Compute the gradients of a batch, and change no weight."""
    model.train()
    losses = model(**model.data_preprocessor(batch, training=True), mode="loss")
    model.parse_losses(losses)[0].backward()


def seconds_to_learn(model: nn.Module, batch: dict) -> float:
    """Return how long a model takes to learn from a batch, which stays as it is."""
    batch = copy.deepcopy(batch)  # which augmentation of whole batches changes
    begin = time.perf_counter()
    learn(model, batch)
    return time.perf_counter() - begin


def val_step(model: nn.Module, loader) -> None:
    """Predict the first image of a loader."""
    model.eval().val_step(take_batch(loader, 1))


def seconds_to_validate(model: nn.Module, loader) -> float:
    """Return how long a model takes to predict the images of a loader, by its first.

    The model is one that has done a step before, which takes longer.
    """
    begin = time.perf_counter()
    val_step(model, loader)
    return (time.perf_counter() - begin) * len(loader.dataset)
