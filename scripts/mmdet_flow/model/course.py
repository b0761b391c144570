"""The course of a training through its plan: as planned, or faster to an early end."""

import bisect
from dataclasses import dataclass

SHORTENED = "shortened"
"""Key of train_cfg, and of a training's record, that has its turns."""

Turn = tuple[int, int]
"""After how many iterations it was decided, and after how many the training ends."""


@dataclass(frozen=True)
class Course:
    """Which place of its plan a training has reached after each iteration.

    After a turn the rest of the plan is gone through evenly, in fewer iterations: the
    last of them is the last of the plan, with its learning rate and its images. Places
    are whole numbers, so the same turns give the same course everywhere.

    Attributes:
        planned: the iterations of the plan.
        turns: what was decided, in its order.
    """

    planned: int
    turns: tuple[Turn, ...] = ()

    @property
    def end(self) -> int:
        """How many iterations there are."""
        return self.turns[-1][1] if self.turns else self.planned

    def turned(self, after: int, end: int) -> "Course":
        """Return the course with another end by what is decided after an iteration.

        ValueError for an end that is none, or that would be slower than the plan.
        """
        earlier = self.turns[-1][0] if self.turns else -1
        if not earlier < after < end - 1 or after < 0 or end > self.latest_end(after):
            raise ValueError(
                f"after iteration {after} of {self.end} it cannot be decided to end "
                f"after {end}"
            )
        return Course(self.planned, (*self.turns, (after, end)))

    def latest_end(self, after: int) -> int:
        """Return when it ends if the rest takes as many iterations as in the plan."""
        return after + self.planned - self.place(after)

    def place(self, done: int) -> int:
        """Return how many iterations of the plan so many are."""
        if done >= self.end:
            return self.planned
        turn = next((turn for turn in reversed(self.turns) if turn[0] <= done), None)
        if turn is None:
            return done
        after, end = turn
        before = Course(self.planned, self.turns[: self.turns.index(turn)]).place(after)
        gone, left = done - after, end - 1 - after
        return before + gone * (self.planned - 1 - before) // left

    def when(self, place: int) -> int:
        """Return after how many iterations a place of the plan is reached."""
        return bisect.bisect_left(range(self.end), place, key=self.place)
