"""What follows from the data, or from the options: classes, preset, policy, name."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from mmdet_flow.dataset.image_index import OTHER_IMAGE_SUFFIXES
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.spellings import spellings
from mmdet_flow.errors import DataError, UsageError, did_you_mean
from mmdet_flow.start.survey import Survey

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What the schema allows as the name of an experiment."""


def experiment_name(folder: Path, name: str | None) -> str:
    """Return the name that was given, or one like that of the folder."""
    if name is None:
        place = folder.resolve()
        called = place.stem if place.is_file() else place.name
        words = re.findall(r"[A-Za-z0-9._-]+", _without_accents(called))
        name = "-".join(words).lstrip("._-") or "data"
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name {name}: begin with a letter or digit; the only signs are . _ -"
        )
    return name


def _without_accents(text: str) -> str:
    """Return a text with the letters below their accents, as u for ü."""
    signs = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(sign for sign in signs if not unicodedata.combining(sign))


def class_list(found: Survey, classes: Sequence[str] | None) -> list[str]:
    """Return the classes in their order: as given, or the most frequent first.

    Of spellings that differ in case or signs alone only the most frequent is taken, so
    that the check stops at the others, as it does without a list, unless the data have
    a list of their own that the check takes.
    """
    there = list(found.classes)
    for name in classes or ():
        if name not in there:
            hint = did_you_mean(name, there) or f"; there are {', '.join(there)}"
            raise UsageError(f"--classes {name}: no object is called that{hint}")
    if not there:
        raise DataError(f"{found.source.annotations}: no object has a class; name them")
    own_list = FORMATS[found.format].class_list
    if classes or (own_list and own_list(found.source)):
        return list(dict.fromkeys(classes or there))
    rarer = {name for _, *others in spellings(found.classes) for name in others}
    return [name for name in there if name not in rarer]


def preset_for(found: Survey, masks: bool | None) -> str:
    """Return the preset for boxes or masks: as wanted, or as the objects are.

    Masks need a polygon of each object; outlines that are no more than boxes teach
    nothing.
    """
    if masks and found.without_mask:
        raise DataError(
            f"--masks: {found.without_mask} of {len(found.objects)} objects have no "
            "polygon; draw them, or say --boxes"
        )
    if masks is None:
        masks = not found.without_mask and 2 * found.outlines > len(found.objects)
    return "small-masks" if masks else "small-boxes"


def policy_for(found: Survey, classes: Sequence[str] | None) -> dict[str, str]:
    """Return what is to be done about findings that would stop the first run.

    Only what loses nothing, or was said: other findings are the user's to decide.
    ``classes`` are those that were given, without the others.
    """
    images = [one.image for one in found.images]
    findings = {
        "unsupported-image": (
            "repair",
            any(path.suffix.lower() in OTHER_IMAGE_SUFFIXES for path in images),
        ),
        "duplicate-name": ("repair", len({path.stem for path in images}) < len(images)),
        "unknown-class": (
            "drop",
            bool(classes and found.classes.keys() - set(classes)),
        ),
    }
    return {check: action for check, (action, is_there) in findings.items() if is_there}
