"""All that is known and proposed, as summary and config say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmdet_flow.start.init.plan import Plan, Sizes
from mmdet_flow.start.init.splits import Division
from mmdet_flow.start.survey import Survey


@dataclass(frozen=True)
class Proposal:
    """What was found in a folder, and what suits it.

    Attributes:
        name: of the experiment.
        classes: in their order.
        division: that of the data, or None for fractions.
        policy: what to do about findings that would stop the first run.
    """

    name: str
    found: Survey
    classes: Sequence[str]
    sizes: Sizes
    division: Division | None
    policy: Mapping[str, str]
    plan: Plan

    @property
    def counts(self) -> str:
        """Return the number of objects of each class, as text."""
        counts = self.found.classes
        return ", ".join(f"{name} {counts[name]}" for name in self.classes)
