"""The config of a proposal, and the lists that go with it."""

from collections.abc import Sequence
from pathlib import Path

from mmdet_flow.start.init.foresee import in_short
from mmdet_flow.start.init.proposal import Proposal
from mmdet_flow.start.init.splits import with_test
from mmdet_flow.start.init.text import config_text
from mmdet_flow.words import counted

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}


def lists_of(proposal: Proposal, output: Path) -> dict[Path, Sequence[str]]:
    """Return the lists that have to be written beside the config, with their names."""
    splits = proposal.splits
    if splits is None or splits.files:
        return {}
    folder = output.parent / f"{proposal.name}-splits"
    names = dict(splits.names)
    if names["test"] == names["val"]:
        del names["test"]
    return {folder / f"{split}.txt": own for split, own in names.items()}


def splits_of(proposal: Proposal, output: Path) -> dict[str, str | float]:
    """Return fractions, or the lists: those of the data, or those beside the config."""
    if proposal.splits is None:
        return FRACTIONS
    files = proposal.splits.files or with_test(
        {path.stem: path for path in lists_of(proposal, output)}
    )
    return {split: shown(path, output) for split, path in files.items()}


def shown(path: Path, output: Path) -> str:
    """Return a path as the config has it: as given where it is used in this folder.

    A config that lies elsewhere may be used from there too, and has absolute paths.
    """
    here = output.parent.resolve() == Path.cwd()
    return str(path if here else path.absolute())


def config_of(proposal: Proposal, output: Path) -> str:
    """Return the text of the config."""
    found, splits, plan = proposal.found, proposal.splits, proposal.plan
    source = found.source
    values = {
        "found": "Made by mmdet-flow start init: "
        f"{counted(len(found.images), 'annotated image')}, "
        f"{counted(len(found.objects), 'object')}, "
        f"{counted(len(proposal.classes), 'class')}.",
        "name": proposal.name,
        "format": found.format,
        "annotations": shown(source.annotations, output),
        "images": shown(source.images, output),
        "counts": f"Objects of each class: {proposal.counts}.",
        "classes": list(proposal.classes),
        "splits": f"From {splits.how}: {splits.sizes}."
        if splits
        else "Fractions of the images, or list files with one image name a line.",
        **splits_of(proposal, output),
        "preset": plan.preset,
        "image_size": plan.image_size,
        "estimate": "More epochs are better, up to a point. These take about "
        f"{plan.duration}, estimated by {plan.basis}.",
        "epochs": plan.epochs,
        "val_interval": plan.val_interval,
    }
    labels = shown(source.labels, output) if source.labels else None
    findings = in_short(proposal.findings)
    return config_text(
        values,
        source.pattern,
        labels,
        proposal.policy,
        findings,
        tiles=tiles_of(proposal),
        cost=proposal.cost,
        hours=proposal.hours,
    )


def tiles_of(proposal: Proposal) -> dict[str, int | float | bool]:
    """Return what the section of the tiles says, without what is the default."""
    tiles = proposal.plan.tiles
    if tiles is None:
        return {}
    whole = {"full_image": True} if tiles.full_image else {}
    return {"size": tiles.size, "overlap": tiles.overlap} | whole
