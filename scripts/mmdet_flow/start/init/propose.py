"""What is proposed for a folder of annotated images."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.pixels import read_outside
from mmdet_flow.dataset.spellings import without_controls
from mmdet_flow.errors import UsageError
from mmdet_flow.start.init.choices import (
    class_list,
    policy_for,
    preset_for,
)
from mmdet_flow.start.init.config import FRACTIONS
from mmdet_flow.start.init.foresee import foresee, left_open, repairs
from mmdet_flow.start.init.plan import plan_for
from mmdet_flow.start.init.proposal import Proposal
from mmdet_flow.start.init.sizes import measure
from mmdet_flow.start.init.speed import Speed, decoding_seconds
from mmdet_flow.start.init.splits import Splits, find_splits
from mmdet_flow.start.init.tiling import kept_tiles, plan_for_tiles, tiles_for
from mmdet_flow.start.survey import Survey

USUAL_HOURS = 1.0


def propose(
    name: str,
    found: Survey,
    *,
    folder: Path,
    classes: Sequence[str] | None,
    masks: bool | None,
    hours: float | None,
    speed_of: Callable[[str], Speed],
) -> Proposal:
    """Decide what was left open: the classes, and masks or boxes, where they are None.

    ``hours`` is the time for the training, which is planned for ``USUAL_HOURS`` if
    nobody limits it. ``speed_of`` tells how fast a preset is trained.
    """
    minutes = 60 * (hours or USUAL_HOURS)
    as_read, found = found, _with_plain_names(found)
    names = class_list(found, classes)
    index = ImageIndex(found.source.images)
    lost = {path for one in found.problems for path in one.images}
    splits, remarks = find_splits(folder, found.images, index, lost)
    look = cache(read_outside)
    sizes = measure(found.images, names, look)
    preset = preset_for(found, masks)
    work = preset, sizes, *train_and_val(found, splits), minutes
    speed = speed_of(preset)
    if tiles := tiles_for(sizes):
        kept = kept_tiles(found.images, tiles, look)
        plan = plan_for_tiles(tiles, kept, *work, speed)
    else:
        decoding = decoding_seconds([one.image for one in found.images])
        plan = plan_for(*work, speed.with_decoding(decoding))
    findings = foresee(as_read, names, look)
    policy = repairs(findings) | policy_for(found, classes)
    if splits and splits.empty:
        policy["no-annotation"] = "repair"
    used = {one.image for one in found.images}
    unused = len(set(index.paths) - used - lost) - (splits.empty if splits else 0)
    return Proposal(
        *(name, found, names, sizes, splits, unused, remarks),
        *(policy, left_open(findings, policy), plan, hours),
    )


def _with_plain_names(found: Survey) -> Survey:
    """Return what was found with the class names that the run will have of it.

    It puts spaces for control characters, by the policy that is proposed.
    """
    images = [
        replace(
            one,
            objects=tuple(
                replace(item, label=without_controls(item.label))
                for item in one.objects
            ),
        )
        for one in found.images
    ]
    return replace(found, images=images)


def train_and_val(found: Survey, splits: Splits | None) -> tuple[int, int]:
    """Return the number of images that train and that validate, one at least."""
    if splits:
        return len(splits.names["train"]), len(splits.names["val"])
    total = len(found.images)
    return max(1, round(FRACTIONS["train"] * total)), round(FRACTIONS["val"] * total)


def require_free(paths: Iterable[Path], otherwise: str) -> None:
    """Refuse to replace what is there."""
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path}: is there already; replace it with --force, or {otherwise}"
            )
