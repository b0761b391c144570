"""Lists of weights: those that are kept, and those that are published."""

import fnmatch

from mmdet_flow import cli
from mmdet_flow.errors import ModelError, did_you_mean
from mmdet_flow.model.weights.index import Published, published
from mmdet_flow.model.weights.store import folder, kept

MEASURED = ("box AP", "mask AP")


def print_kept() -> None:
    """Print name, size and SHA-256 of what is kept, and what is wrong with it."""
    found = kept()
    if not found:
        cli.log.info("%s: keeps no weights; mmdet-flow weights get CONFIG", folder())
    for one in found:
        size = f"{one.path.stat().st_size / 1e6:7.1f} MB"
        fault = f"  damaged: {one.fault}" if one.fault else ""
        print(f"{one.sha256}  {size}  {one.path.name}{fault}")


def print_published(pattern: str) -> None:
    """Print the published weights of configs that match, and whether they are kept."""
    found = [one for one in published() if fnmatch.fnmatch(one.config_name, pattern)]
    if not found:
        names = [one.config_name for one in published()]
        raise ModelError(
            f"{pattern}: no published weights are of such a config; patterns have *"
            + did_you_mean(pattern, names)
        )
    here = {one.path.name for one in kept() if not one.fault}
    width = max(len(one.config_name) for one in found)
    for one in found:
        state = "kept" if one.name in here else "    "
        print(f"{one.config_name:{width}}  {_measured(one)}  {state}  {one.name}")


def _measured(one: Published) -> str:
    values = (
        f"{name} {one.measured[name]:4.1f}" if name in one.measured else ""
        for name in MEASURED
    )
    return "  ".join(
        f"{value:{len(name) + 5}}" for name, value in zip(MEASURED, values, strict=True)
    )
