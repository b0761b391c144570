"""When a training has to be done, and how much of it can still be done by then."""

import bisect
import time

from mmdet_flow.model.pace import REMEMBERED, SAID_AFTER, Pace

TOLERANCE = 0.1
"""Of the time that is left: what an estimate may differ from it.

What is late by a minute ends early when ten are left, and has till then to catch up.
"""

PATIENCE = 4
"""The speed is that of as many iterations as a part of those that the plan has left.

So a slow phase counts if it is long beside what is to come.
"""

LEAST_LEFT = 10
"""Iterations that the learning rate has to fall in, however late it is."""


class Deadline:
    """The time that a training may take, all its jobs together.

    A job that goes on counts from its first iteration on: what interruptions cost, as
    starting again and repeating the last iterations, is not the training's.

    Args:
        seconds: the time that it may take.
        spent: what of them is gone by now.
    """

    def __init__(self, seconds: float, spent: float) -> None:
        self._began = time.monotonic() - spent
        self._seconds = seconds

    @property
    def spent(self) -> float:
        """The seconds that the training has taken up to now."""
        return time.monotonic() - self._began

    def other_end(self, pace: Pace, done: int) -> int | None:
        """Return after how many iterations to end instead, or None to go on as it is.

        That is earlier where the training would take too long, and later again, where
        it was decided to end early and that turns out to be too early.
        """
        course, left = pace.course, self._seconds - self.spent
        first, latest = done + LEAST_LEFT, course.latest_end(done)
        if first >= course.end or (left > 0 and pace.known < SAID_AFTER):
            return None
        if course.turns and done < course.turns[-1][0] + LEAST_LEFT:
            return None
        remembered = max(REMEMBERED, (latest - done) // PATIENCE)

        def needed(end: int) -> float:
            other = course.turned(done, end)
            return pace.seconds_left(done, other, remembered)

        late = pace.seconds_left(done, None, remembered) - left
        if abs(late) <= TOLERANCE * left or (late < 0 and course.end == latest):
            return None
        ends = range(first, latest + 1)
        in_time = bisect.bisect_right(ends, left, key=needed)
        end = ends[max(0, in_time - 1)]
        return None if end == course.end else end
