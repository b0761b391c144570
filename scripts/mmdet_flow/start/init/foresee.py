"""What the check will find, as far as that is seen without decoding images."""

from collections.abc import Iterator, Mapping, Sequence

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.check import note_problem
from mmdet_flow.dataset.findings import Finding, Ledger, Policy, groups_of
from mmdet_flow.dataset.image_checks import CheckedImage, check_image
from mmdet_flow.dataset.object_checks import Context, check_objects
from mmdet_flow.dataset.pixels import read_outside
from mmdet_flow.start.init.sizes import Look
from mmdet_flow.start.survey import Survey

SAMPLE = 2000
"""Images whose objects are checked."""

LOSSLESS = ("control-character", "inverted-box", "short-polygon")
"""Checks whose repair is what anybody would do."""


Groups = Sequence[Sequence[Finding]]
"""Findings, those of a check together."""


def foresee(
    found: Survey, classes: Sequence[str] | None = None, look: Look = read_outside
) -> Groups:
    """Return the findings that would stop the first run, by the checks of that run."""
    ledger = Ledger(Policy({"unsupported-image": "repair"}), found.source.annotations)
    for problem in found.problems:
        note_problem(problem, ledger)
    for one in found.images[:: max(1, len(found.images) // SAMPLE)]:
        if size := _size_in_check(one, look, ledger):
            file = ledger.name_of(one.annotation)
            check_objects(one.objects, Context(size, classes, None), file, ledger)
    return groups_of(ledger.errors)


def _size_in_check(
    one: AnnotatedImage, look: Look, ledger: Ledger
) -> tuple[int, int] | None:
    """Return (width, height) that the objects are checked against, if they are.

    Of an image that cannot be opened it is what the annotation says.
    """
    outside = look(one.image)
    if outside is None:
        return one.size
    named = CheckedImage(one, one.image.name, outside.sizes["seen"])
    checked = check_image(named, outside, ledger)
    return checked and checked.size


def repairs(groups: Groups) -> dict[str, str]:
    """Return the policy for findings whose repair loses nothing."""
    return {
        group[0].check: "repair"
        for group in groups
        if group[0].check in LOSSLESS and all(one.repairable for one in group)
    }


def left_open(groups: Groups, policy: Mapping[str, str]) -> Groups:
    """Return the findings that no policy decides, and that the user has to."""
    return [group for group in groups if group[0].check not in policy]


def told(groups: Groups) -> Iterator[str]:
    """Yield what stops the first run, and what a policy may do about it."""
    for first, *others in groups:
        policy = f", or decide with the policy {first.policy}" if first.policy else ""
        yield (
            f"{1 + len(others)} {first.check}, such as {first.where}: "
            f"{first.consequence}; {first.fix}{policy}"
        )


def in_short(groups: Groups) -> str:
    """Return the same in few words, for a comment."""
    return ", ".join(f"{len(one)} of {one[0].policy or one[0].check}" for one in groups)
