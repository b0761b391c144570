"""Checks of an image: its name, whether it can be read, and what it shows."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.findings import Ledger
from mmdet_flow.dataset.image_index import IMAGE_SUFFIXES
from mmdet_flow.dataset.pixels import Pixels, group_duplicates
from mmdet_flow.files import read_text


@dataclass(frozen=True)
class CheckedImage:
    """An image that passed, with the objects that are kept.

    Attributes:
        source: the annotation, its objects repaired where the policy says so.
        name: the file name in the data set.
        size: (width, height) in pixels, as training sees it.
        png: "" for the file as it is, or "stored" or "oriented": how to make a PNG.
    """

    source: AnnotatedImage
    name: str
    size: tuple[int, int]
    png: str = ""


def with_unique_names(
    annotated: list[AnnotatedImage], ledger: Ledger
) -> list[CheckedImage]:
    """Give each image its name in the data set; two may not share a stem.

    Results are named after the stem, and one would overwrite the other.
    """
    named: dict[str, CheckedImage] = {}
    for one in annotated:
        name = one.image.name
        if other := named.get(one.image.stem):
            place = f"{one.image.parent.name}/{name}"
            what = f"{other.source.annotation.name} has {name} already"
            prefixed = f"{one.image.parent.name}_{name}"
            free = one.image != other.source.image and Path(prefixed).stem not in named
            action = ledger.note(
                "duplicate-name", one.annotation.name, place, what, free
            )
            if action != "repair":
                _leave_out_image(one, "duplicate-name", ledger)
                continue
            name = prefixed
        named[Path(name).stem] = CheckedImage(one, name, (0, 0))
    return sorted(named.values(), key=lambda item: item.name)


def _leave_out_image(image: AnnotatedImage, check: str, ledger: Ledger) -> None:
    ledger.images_left_out.append(image.image.name)
    for item in image.objects:
        ledger.leave_out(image.annotation.name, item.place, item.label, check)


def check_image(
    one: CheckedImage, decoded: Pixels | str, ledger: Ledger
) -> CheckedImage | None:
    """Return the image with its size, or None if it is left out."""
    source, path = one.source, one.source.image
    if isinstance(decoded, str):
        faults = [("unreadable-image", decoded, False, "")]
        size = (0, 0)
    else:
        size, faults = decoded.size, list(_image_faults(source, decoded))
    png = ""
    for check, what, repairable, how in faults:
        action = ledger.note(check, path.name, "", what, repairable)
        if action in ("error", "drop"):
            _leave_out_image(source, check, ledger)
            return None
        if action == "repair":
            png = png or how
    if png == "stored":
        size = decoded.stored
    name = f"{Path(one.name).stem}.png" if png else one.name
    return CheckedImage(source, name, size, png)


def _image_faults(source: AnnotatedImage, decoded: Pixels):
    """Yield (check, what, whether it can be repaired, how to make a PNG)."""
    claimed = source.size
    fits_oriented = claimed == decoded.size and decoded.size != decoded.stored
    if decoded.rotated and not fits_oriented:
        what = f"its EXIF tag rotates it from {decoded.stored} to {decoded.size} pixels"
        yield "rotated-image", what, True, "stored"
    if claimed and claimed not in (decoded.size, decoded.stored):
        what = (
            f"{source.annotation.name} says {claimed[0]}x{claimed[1]} but it has "
            f"{decoded.size[0]}x{decoded.size[1]} pixels"
        )
        yield "image-size", what, False, ""
    suffix = source.image.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        yield "unsupported-image", f"it is a {suffix} file", True, "oriented"


def check_duplicates(
    kept: list[CheckedImage],
    thumbnails: list,
    lists: Iterable[Path],
    ledger: Ledger,
) -> tuple[list[CheckedImage], list[list[str]]]:
    """Note images with the same content; return those kept, and groups of names."""
    groups = [[kept[i] for i in group] for group in group_duplicates(thumbnails)]
    dropped = set()
    split_of = _splits_by_name(lists)
    for first, *others in groups:
        for one in others:
            what = f"it shows the same as {first.name}"
            action = ledger.note("duplicate-content", one.source.image.name, "", what)
            splits = {split_of.get(Path(item.name).stem) for item in (first, one)}
            if len(splits - {None}) == 2:
                where = f"{what}, and they are in {' and '.join(sorted(splits))}"
                ledger.note("duplicate-across-splits", one.source.image.name, "", where)
            if action in ("error", "drop"):
                dropped.add(one.name)
                _leave_out_image(one.source, "duplicate-content", ledger)
    kept = [one for one in kept if one.name not in dropped]
    names = [[one.name for one in group if one.name not in dropped] for group in groups]
    return kept, [group for group in names if len(group) > 1]


def _splits_by_name(lists: Iterable[Path]) -> dict[str, str]:
    split_of = {}
    for path in lists:
        names = read_text(path).split("\n")
        split_of |= {
            Path(name.strip()).stem: path.stem for name in names if name.strip()
        }
    return split_of
