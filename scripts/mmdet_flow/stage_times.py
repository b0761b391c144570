"""How long the stages of a training take, between which its images change."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StageTimes:
    """The seconds of an iteration, by stage.

    Attributes:
        firsts: the number of the first iteration of each stage, from 0 on.
        seconds: what an iteration of each takes.
        total: how many iterations there are.
    """

    firsts: Sequence[int]
    seconds: Sequence[float]
    total: int

    def between(self, first: int, end: int) -> float:
        """Return the seconds of the iterations from ``first`` up to ``end``."""
        ends = [*self.firsts[1:], self.total]
        return sum(
            max(0, min(last, end) - max(begin, first)) * each
            for begin, last, each in zip(self.firsts, ends, self.seconds, strict=True)
        )
