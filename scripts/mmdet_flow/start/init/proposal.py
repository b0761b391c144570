"""All that is known and proposed, as summary and config say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmdet_flow.start.init.foresee import Groups
from mmdet_flow.start.init.plan import Plan
from mmdet_flow.start.init.sizes import Sizes
from mmdet_flow.start.init.splits import Splits
from mmdet_flow.start.survey import Survey


@dataclass(frozen=True)
class Proposal:
    """What was found in a folder, and what suits it.

    Attributes:
        name: of the experiment.
        classes: in their order.
        splits: those of the data, or None for fractions.
        unused: how many images have no annotation, not even one that cannot be read,
            and are in no split.
        remarks: what has to be told of the splits.
        policy: what to do about findings that would stop the first run.
        findings: those that it does not decide.
        hours: to which the training is to keep, or None.
    """

    name: str
    found: Survey
    classes: Sequence[str]
    sizes: Sizes
    splits: Splits | None
    unused: int
    remarks: Sequence[str]
    policy: Mapping[str, str]
    findings: Groups
    plan: Plan
    hours: float | None = None

    @property
    def cost(self) -> str:
        """Return why there are tiles and what they cost, as text; empty without any."""
        plan = self.plan
        if plan.tiles is None:
            return ""
        return (
            f"{self.sizes.label} has about {self.sizes.pixels:.0f} of "
            f"{max(self.sizes.image)} pixels, too few in an image that is resized as a "
            f"whole; an image has {plan.count} tiles, so its prediction takes "
            f"{plan.count} times as long as that of one tile"
        )

    @property
    def counts(self) -> str:
        """Return the number of objects of each class, as text."""
        counts = self.found.classes
        return ", ".join(f"{name} {counts[name]}" for name in self.classes)
