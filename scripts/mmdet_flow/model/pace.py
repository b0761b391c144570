"""How long the iterations of a training take, and so all that are left."""

import bisect
import statistics
from collections import deque
from collections.abc import Sequence

from mmdet_flow.model.course import Course
from mmdet_flow.model.rehearsal import Rehearsal
from mmdet_flow.stage_times import StageTimes

FORGOTTEN = 5
"""Iterations at the beginning, and of each stage, that are slower than the others."""

REMEMBERED = 50
"""Iterations by which the speed of a stage is told."""

LONGEST_REMEMBERED = 2000
"""Iterations by which it is told at most, where a slow phase is not to count."""

SAID_AFTER = 20
"""Iterations after which a speed is told."""


class Pace:
    """Seconds of an iteration, by stage of the training.

    A stage that was not reached yet takes as long as the last one that was, and what
    its rehearsal took more or less.

    Args:
        firsts: the place in the plan at which each stage begins, from 0 on.
        total: how many iterations are planned.
        rehearsal: what was measured beforehand.
        validations: the iterations after which there is a validation; after the last
            one there is, too, if there are any.

    Attributes:
        course: how the training goes through the plan, which may change.
        validation: the seconds of one, as far as that is known.
    """

    def __init__(
        self,
        firsts: Sequence[int],
        total: int,
        rehearsal: Rehearsal,
        validations: Sequence[int] = (),
    ) -> None:
        self.course = Course(total)
        self._firsts = list(firsts)
        self._rehearsed = rehearsal.steps or [0.0] * len(firsts)
        self._validations = list(validations)
        self.validation = rehearsal.validation
        self._seen = [0] * len(firsts)
        self._seconds = [deque(maxlen=LONGEST_REMEMBERED) for _ in firsts]
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
        self.validation = seconds

    def seconds_of(self, iteration: int) -> float:
        """Return the seconds of an iteration, as far as that is known by now."""
        return self._of_stage(self._stage_of(iteration))

    def seconds_left(
        self, done: int, course: Course | None = None, remembered: int = REMEMBERED
    ) -> float:
        """Return the seconds that all iterations after the first ``done`` take.

        On another course, if one is given, and by so many of the last iterations.
        """
        course = course or self.course
        validations = sum(done < one < course.end for one in self._validations)
        last = bool(self._validations) and done < course.end
        steps = self._times_on(course, remembered).between(done, course.end)
        return steps + (validations + last) * self.validation

    @property
    def known(self) -> int:
        """How many iterations were measured since the process began."""
        return sum(self._seen)

    @property
    def stages(self) -> list[dict]:
        """The number of the first iteration of each stage, and the seconds of one."""
        times = self._times_on(self.course)
        return [
            {"first": first, "seconds": round(seconds, 4)}
            for first, seconds in zip(times.firsts, times.seconds, strict=True)
        ]

    @property
    def mean(self) -> float:
        """The seconds of an iteration, over the whole training."""
        end = self.course.end
        return self._times_on(self.course).between(0, end) / end

    def _times_on(self, course: Course, remembered: int = REMEMBERED) -> StageTimes:
        firsts = [course.when(first) for first in self._firsts]
        seconds = [self._of_stage(stage, remembered) for stage in range(len(firsts))]
        return StageTimes(firsts, seconds, course.end)

    def _stage_of(self, iteration: int) -> int:
        place = self.course.place(iteration)
        return bisect.bisect_right(self._firsts, place) - 1

    def _of_stage(self, stage: int, remembered: int = REMEMBERED) -> float:
        known = stage if self._seconds[stage] else self._stage
        last = list(self._seconds[known])[-remembered:]
        more = self._rehearsed[stage] - self._rehearsed[known]
        return max(0.0, statistics.median(last) + more)
