"""How long the iterations of a training take, and so all that are left."""

import bisect
import statistics
from collections import deque
from collections.abc import Sequence

from mmdet_flow.model.rehearsal import Rehearsal
from mmdet_flow.stage_times import StageTimes

FORGOTTEN = 5
"""Iterations at the beginning, and of each stage, that are slower than the others."""

REMEMBERED = 50
"""Iterations by which the speed of a stage is told."""


class Pace:
    """Seconds of an iteration, by stage of the training.

    A stage that was not reached yet takes as long as the last one that was, and what
    its rehearsal took more or less.

    Args:
        firsts: the number of the first iteration of each stage, from 0 on.
        total: how many iterations there are.
        rehearsal: what was measured beforehand.
        validations: the iterations after which there is a validation.
    """

    def __init__(
        self,
        firsts: Sequence[int],
        total: int,
        rehearsal: Rehearsal,
        validations: Sequence[int] = (),
    ) -> None:
        self._firsts = list(firsts)
        self._total = total
        self._rehearsed = rehearsal.steps or [0.0] * len(firsts)
        self._validations = list(validations)
        self._validation = rehearsal.validation
        self._seen = [0] * len(firsts)
        self._seconds = [deque(maxlen=REMEMBERED) for _ in firsts]
        self._stage = 0

    def add(self, iteration: int, seconds: float) -> None:
        """Take note of an iteration, counted from 0."""
        self._stage = self._stage_of(iteration)
        self._seen[self._stage] += 1
        measured = self._seconds[self._stage]
        if self._seen[self._stage] == FORGOTTEN + 1:
            measured.clear()
        measured.append(seconds)

    def validated(self, seconds: float) -> None:
        """Take note of a validation; its own time is that of the next ones, too."""
        self._validation = seconds

    def seconds_of(self, iteration: int) -> float:
        """Return the seconds of an iteration, as far as that is known by now."""
        return self._of_stage(self._stage_of(iteration))

    def seconds_left(self, done: int) -> float:
        """Return the seconds that all iterations after the first ``done`` take."""
        validations = sum(one > done for one in self._validations)
        return self._times.between(done, self._total) + validations * self._validation

    @property
    def stages(self) -> list[dict]:
        """The number of the first iteration of each stage, and the seconds of one."""
        times = self._times
        return [
            {"first": first, "seconds": round(seconds, 4)}
            for first, seconds in zip(times.firsts, times.seconds, strict=True)
        ]

    @property
    def mean(self) -> float:
        """The seconds of an iteration, over the whole training."""
        return self._times.between(0, self._total) / self._total

    @property
    def _times(self) -> StageTimes:
        seconds = [self._of_stage(stage) for stage in range(len(self._firsts))]
        return StageTimes(self._firsts, seconds, self._total)

    def _stage_of(self, iteration: int) -> int:
        return bisect.bisect_right(self._firsts, iteration) - 1

    def _of_stage(self, stage: int) -> float:
        if self._seconds[stage]:
            return statistics.median(self._seconds[stage])
        known = self._stage
        more = self._rehearsed[stage] - self._rehearsed[known]
        return max(0.0, statistics.median(self._seconds[known]) + more)
