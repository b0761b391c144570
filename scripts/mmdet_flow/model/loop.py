"""A training loop that can be killed at any time and ends with the same weights."""

import math
import random
import signal
import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from mmengine.dist import barrier, get_rank, get_world_size, is_main_process
from mmengine.registry import LOOPS
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import DataLoader, Dataset

from mmdet_flow import cli
from mmdet_flow.errors import TO_GO_ON, Interrupted
from mmdet_flow.model.course import Course, Turn
from mmdet_flow.model.deadline import Deadline
from mmdet_flow.model.processes import any_process, on_main
from mmdet_flow.model.stages import Switches
from mmdet_flow.model.work_dir import WorkDir
from mmdet_flow.words import lasting

VALIDATIONS = "validations"
"""Key of the message hub, and so of the states: [epoch, score] of each validation."""

SPENT = "spent_seconds"
"""Key of the message hub: the time that a training with a limit has taken."""

BATCH_SIZES = "batch_sizes"
"""Key of the message hub: the size that each BatchSyncRandomResize gives batches."""


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """Trains by epochs, saves states between iterations, and keeps the best weights.

    Random numbers depend on the seed, the iteration and the sample alone, so a resumed
    training draws those of an undisturbed one. A state is saved every ``save_seconds``
    at most; inside an epoch only when no transform remembers earlier images. States
    at the end of an epoch include its validation.

    Args:
        keep: states to keep, the newest ones.
        save_best: the metric of the best weights, or None.
        patience: end after so many validations without a better one; 0 never ends.
        stop_after: raise Interrupted after so many iterations; None goes on.
        stop_time: of time.monotonic(), when to save and raise Interrupted; or None.
        shortened: turns to take, as [after so many iterations, end after so many].
        turns: more of them, after these.
        time_limit: seconds for the whole training, which ends early to keep it.
        started: of time.monotonic(), from when on they count; now, if it is not given.

    Attributes:
        course: how the training goes through its plan.
    """

    def __init__(
        self,
        *args,
        keep: int = 2,
        save_seconds: float = 60.0,
        save_best: str | None = None,
        patience: int = 0,
        stop_time: float | None = None,
        stop_after: int | None = None,
        shortened: Sequence[Turn] = (),
        turns: Sequence[Turn] = (),
        time_limit: float | None = None,
        started: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.course = course = Course(self._max_iters)
        self._turns = [(after, end) for after, end in (*shortened, *turns)]
        for turn in self._turns:  # an error before the training for one that cannot be
            course = course.turned(*turn)
        self._time_limit = time_limit
        self._started = time.monotonic() if started is None else started
        self._deadline: Deadline | None = None
        self._work_dir = WorkDir(self.runner.work_dir)
        self._keep = keep
        self._save_seconds = save_seconds
        self._save_best = save_best
        self._patience = patience
        self._stop_time = math.inf if stop_time is None else stop_time
        self._stop_after = stop_after
        self._stop_reason = ""

    def run(self) -> torch.nn.Module:
        """Train to the end; raises Interrupted on SIGTERM, SIGINT or at the limit."""
        self._saved = time.monotonic()
        self._set_course()
        handlers = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            self.runner.call_hook("before_train")
            done = self._is_done()
            while not done:
                self.run_epoch()
                if self._is_within_epoch():
                    continue
                self._validate()
                self._keep_time()
                if done := self._is_done():
                    self._save()
                else:
                    self._save_if_due()
            self.runner.call_hook("after_train")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.runner.model

    def _set_course(self) -> None:
        """Take the turns that were taken before a restart, and see what time it is."""
        length = len(self.dataloader)
        self._switches = Switches(self.runner.hooks, length, self._max_epochs)
        self._turns += on_main(self._work_dir.turns)
        for turn in self._turns:
            if turn[0] <= self._iter:
                self._turn(turn)
        if self._time_limit:
            info = self.runner.message_hub.runtime_info
            spent = info.get(SPENT, time.monotonic() - self._started)
            self._deadline = Deadline(self._time_limit, spent)

    def _keep_time(self) -> None:
        """Turn to another end where that was decided, or if the time asks for it."""
        known = [turn for turn in self._turns if turn[0] >= self._iter]
        if not known and self._deadline:
            known = on_main(self._decide)
            self._turns += known
        for turn in known:
            if turn[0] == self._iter:
                self._turn(turn)

    def _decide(self) -> list[Turn]:
        """Return the turn to take now, which the work folder then has; or none."""
        end = self._deadline.other_end(self.runner.pace, self._iter)
        if end is None:
            return []
        planned, length = self.course.planned, len(self.dataloader)
        self._work_dir.shorten(self._iter, end, planned, length)
        cli.log.warning(
            "after iteration %d: the training ends after %d of %d that are planned, to "
            "keep to %s; the learning rate falls the faster",
            self._iter,
            end,
            planned,
            lasting(self._time_limit / 3600),
        )
        return [(self._iter, end)]

    def _turn(self, turn: Turn) -> None:
        self.course = self.course.turned(*turn)
        self._max_iters = self.course.end
        self._max_epochs = math.ceil(self._max_iters / len(self.dataloader))
        for name in ("max_iters", "max_epochs"):
            self.runner.message_hub.update_info(name, getattr(self, name))

    def _is_within_epoch(self) -> bool:
        return self._iter > self._epoch * len(self.dataloader)

    def run_epoch(self) -> None:
        """Run what is left of the epoch, which may have begun before a restart.

        On the way to an earlier end it may end within, or go on with other images.
        """
        images = self._switches.follow(self.course, self._iter)
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        start = self._iter - self._epoch * len(self.dataloader)
        transforms = list(_transforms(self.dataloader.dataset))
        memories = [one for one in transforms if hasattr(one, "results_cache")]
        for transform in memories:
            transform.results_cache = []
        hub, resizers = self.runner.message_hub, self._resizers()
        sizes = hub.runtime_info.get(BATCH_SIZES, [None] * len(resizers))
        for resizer, size in zip(resizers, sizes, strict=True):
            resizer._input_size = size
        for number, batch in enumerate(self._batches(start), start):
            _seed_all(self.runner.seed, self._iter, get_rank())
            self.run_iter(number, batch)
            hub.update_info(BATCH_SIZES, [one._input_size for one in resizers])
            if number + 1 == len(self.dataloader):
                break
            self._keep_time()
            if self._iter == self._max_iters:
                break
            if not memories:
                self._save_if_due()
            if self._switches.reached(self.course, self._iter) != images:
                return
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _resizers(self) -> list[torch.nn.Module]:
        """Return the augmentations that keep a size for some batches."""
        parts = self.runner.bare_model.data_preprocessor.modules()
        return [part for part in parts if hasattr(part, "_input_size")]

    def _batches(self, start: int) -> Iterator[dict]:
        """Yield the batches of this epoch from number ``start`` on."""
        first = self._epoch * len(self.dataloader)
        size, processes = self.dataloader.batch_sampler.batch_size, get_world_size()
        # Samplers deal samples out in turn, so this is the place in the whole order,
        # and several processes draw what one with a larger batch draws.
        keys = [
            [
                (((first + number) * size + place) * processes + get_rank(), index)
                for place, index in enumerate(indices)
            ]
            for number, indices in enumerate(self.dataloader.batch_sampler)
        ]
        yield from DataLoader(
            SeededSamples(self.dataloader.dataset, self.runner.seed),
            batch_sampler=keys[start:],
            collate_fn=self.dataloader.collate_fn,
            num_workers=self.dataloader.num_workers,
        )

    def _validate(self) -> None:
        self._decide_current_val_interval()
        runner = self.runner
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if runner.val_loop is None or self._epoch < self.val_begin or not due:
            return
        metrics = runner.val_loop.run()
        if self._save_best not in metrics:
            return
        score = float(metrics[self._save_best])
        history = runner.message_hub.runtime_info.get(VALIDATIONS, [])
        if score > max((earlier for _, earlier in history), default=-math.inf):
            meta = {"epoch": self._epoch, "iter": self._iter, "score": score}
            runner.save_checkpoint(
                self._work_dir.path,
                self._work_dir.best.name,
                save_optimizer=False,
                save_param_scheduler=False,
                meta=meta,
            )
            cli.log.info("epoch %d: best so far, %.4f", self._epoch, score)
        runner.message_hub.update_info(VALIDATIONS, [*history, [self._epoch, score]])

    def _is_done(self) -> bool:
        return self._epoch >= self._max_epochs or self._is_stuck()

    def _is_stuck(self) -> bool:
        """Whether the last ``patience`` validations were not better than before."""
        history = self.runner.message_hub.runtime_info.get(VALIDATIONS, [])
        scores = [score for _, score in history]
        if not self._patience or len(scores) <= self._patience:
            return False
        stuck = max(scores[-self._patience :]) <= max(scores[: -self._patience])
        if stuck:
            cli.log.info("no better in %d validations: done", self._patience)
        return stuck

    def _save_if_due(self) -> None:
        if time.monotonic() >= self._stop_time:
            self._stop_reason = "the time limit"
        if self._iter == self._stop_after:
            self._stop_reason = "the limit of iterations"
        if any_process(bool(self._stop_reason)):
            self._save()
            barrier()  # a launcher may kill the others when the first one ends
            reason = self._stop_reason or "another process"
            raise Interrupted(
                f"training stopped by {reason} after iteration "
                f"{self._iter} of {self._max_iters}; {TO_GO_ON}"
            )
        if time.monotonic() - self._saved >= self._save_seconds:
            self._save()

    def _save(self) -> None:
        self._saved = time.monotonic()
        if not is_main_process():
            return
        if self._deadline:
            self.runner.message_hub.update_info(SPENT, self._deadline.spent)
        path = self._work_dir.state(self._iter)
        meta = {"epoch": self._epoch, "iter": self._iter}
        self.runner.save_checkpoint(self._work_dir.path, path.name, meta=meta)
        self._work_dir.forget_states(self._keep)

    def _on_signal(self, number, frame) -> None:
        self._stop_reason = signal.Signals(number).name


class SeededSamples(Dataset):
    """A data set whose random numbers depend on the key of a sample alone.

    Keys are (number of the sample in the training, index), so neither the order of
    loading nor the number of processes matters.
    """

    def __init__(self, dataset, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, key: tuple[int, int]) -> dict:
        number, index = key
        _seed_all(self.seed, number)
        return self.dataset[index]


def _seed_all(*words: int) -> None:
    """Seed the random streams that transforms and models draw from."""
    states = np.random.SeedSequence(words).generate_state(3)
    random.seed(int(states[0]))
    np.random.seed(int(states[1]))
    torch.manual_seed(int(states[2]))


def _transforms(dataset) -> Iterator:
    """Yield the transforms of a data set and of those that it wraps."""
    while dataset is not None:
        pipeline = getattr(dataset, "pipeline", None)
        yield from getattr(pipeline, "transforms", pipeline) or []
        dataset = getattr(dataset, "dataset", None)
