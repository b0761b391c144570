"""What is said of a proposal: what was found, what is proposed, what to look at."""

from collections.abc import Iterator

from mmdet_flow.dataset.spellings import slips, spellings
from mmdet_flow.start.init.foresee import told
from mmdet_flow.start.init.proposal import Proposal
from mmdet_flow.words import counted


def summary(proposal: Proposal) -> Iterator[str]:
    """Yield a line for each thing that was found, is proposed, or needs a look."""
    found, sizes, plan = proposal.found, proposal.sizes, proposal.plan
    width, height = sizes.image
    yield _line(
        "data",
        f"{counted(len(found.images), 'image')} in {found.source.images}, annotated as "
        f"{found.format} in {found.source.annotations}",
    )
    yield _line("classes", proposal.counts)
    yield _line(
        "sizes",
        f"images of {width}x{height} pixels; {sizes.label}, the smallest objects, of "
        f"about {sizes.pixels:.0f}",
    )
    splits = proposal.splits
    yield _line(
        "splits", f"{splits.how}: {splits.sizes}" if splits else "fractions, by class"
    )
    yield _line(
        "model",
        f"{plan.preset}, {plan.image_size} pixels, {counted(plan.epochs, 'epoch')}: "
        f"about {plan.duration}",
    )
    if plan.tiles:
        yield _line("tiles", f"of {plan.tiles.side} pixels: {proposal.cost}")
    yield _line("estimated", f"by {plan.basis}; mmdet-flow model train measures it")
    if proposal.policy:
        said = ", ".join(": ".join(one) for one in proposal.policy.items())
        yield _line("policy", said)
    for text in notes(proposal):
        yield _line("note", text)


def notes(proposal: Proposal) -> Iterator[str]:
    """Yield what the user should look at before a run."""
    found = proposal.found
    yield from proposal.remarks
    if proposal.plan.warning:
        yield proposal.plan.warning
    yield from told(proposal.findings)
    values = [one for one in found.problems if one.check == "left-aside"]
    if values:
        yield f"{counted(len(values), 'file')} with values left aside: {values[0].what}"
    yield from found.left_aside
    if proposal.unused > 0:
        yield (
            f"{counted(proposal.unused, 'more image')} without an annotation, not "
            "used; with no-annotation: repair they are images without objects"
        )
    yield from _misspelt(proposal)
    if found.format == "yolo" and found.source.labels is None:
        yield "no file names the classes; write labels.txt, or name it with --labels"
    if found.format == "open-images" and found.source.labels is None:
        yield "no file of class-descriptions names the classes: their ids are the names"
    if found.without_mask and found.outlines:
        yield (
            f"{counted(found.outlines, 'object')} with an outline, "
            f"{found.without_mask} without; masks need all"
        )


def _misspelt(proposal: Proposal) -> Iterator[str]:
    """Yield what is to be known of class names that may mean the same."""
    counts, listed = proposal.found.classes, proposal.classes
    for frequent, *others in spellings(counts):
        said = f"like the more frequent {frequent} {counts[frequent]}"
        for name in others:
            called = f"{name} {counts[name]} is {said}"
            if name in listed:
                yield f"{called}; if they are one class, rename it"
            elif "unknown-class" in proposal.policy or frequent not in listed:
                yield f"{called}, and is left out; if they are one class, rename it"
            else:
                yield (
                    f"{called}, and not in classes, so the run stops at it; rename it, "
                    "or say unknown-class: repair in the policy, which does; or add it "
                    "to classes, if it is one of its own"
                )
    for name, meant in slips(counts).items():
        if name in listed:
            yield (
                f"{name} {counts[name]} is learned as a class of its own; did you mean "
                f"{meant} {counts[meant]}? then rename it in the annotations"
            )


def _line(subject: str, text: str) -> str:
    return f"{subject:<10} {text}"
