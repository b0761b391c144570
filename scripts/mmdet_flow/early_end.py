"""What is said of a training that was decided to end early, to keep to its hours."""

from collections.abc import Mapping

from mmdet_flow.words import lasting


def early_end(recipe: Mapping) -> str:
    """Return how many epochs of the plan a training takes, and why not all.

    ``recipe`` is what ``recipe.json`` of its work folder holds, whose "shortened" has
    what was decided. "" where nothing was, or where it goes through all of its plan
    again; ValueError, LookupError or TypeError for what no training has written.
    """
    decided = recipe.get("shortened") or []
    if not decided or decided[-1]["end"] >= decided[-1]["planned"]:
        return ""
    last, hours = decided[-1], float(recipe["hours"])
    done, planned = (last[key] / last["epoch_length"] for key in ("end", "planned"))
    return f"{done:.3g} of {planned:.3g} epochs, to keep to {lasting(hours)}"
