"""Checks of an image: its name, whether it can be read, and what it shows."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.findings import Ledger
from mmdet_flow.dataset.image_index import IMAGE_SUFFIXES, NameIndex, read_list
from mmdet_flow.dataset.pixels import Pixels, group_duplicates

PIECES = tuple(
    re.compile(r"(.+?)" + rest, re.IGNORECASE)
    for rest in (
        r"\.rf\.[0-9a-f]{32}",  # the copies that Roboflow makes of a picture
        r"([ _.-]+(tile|slice|patch|crop|chip|part|frame|row|col|[xyzrc])[ _.-]*\d+)+",
        r"(?<=\d)([ _-]+\d+){2,}",
    )
)
"""How pieces and frames are called after what they are of."""


@dataclass(frozen=True)
class CheckedImage:
    """An image that passed, with the objects that are kept.

    Attributes:
        source: the annotation, its objects repaired where the policy says so.
        name: the file name in the data set.
        size: (width, height) in pixels, as training sees it.
        png: "" for the file as it is, or the view of it that becomes a PNG.
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
            prefixed = _prefixed(one.image, other.source.image, named.keys())
            action = ledger.note(
                "duplicate-name", one.annotation.name, place, what, bool(prefixed)
            )
            if action != "repair":
                _leave_out_image(one, "duplicate-name", ledger)
                continue
            name = prefixed
        named[Path(name).stem] = CheckedImage(one, name, (0, 0))
    return sorted(named.values(), key=lambda item: item.name)


def _prefixed(image: Path, other: Path, taken: Collection[str]) -> str:
    """Return the name of an image after the nearest folder that ``other`` is not in.

    Or "" if that is taken, too.
    """
    folders = zip(image.parents, other.parents, strict=False)
    own = next((one.name for one, two in folders if one.name != two.name), "")
    name = f"{own}_{image.name}"
    return name if own and Path(name).stem not in taken else ""


def _leave_out_image(image: AnnotatedImage, check: str, ledger: Ledger) -> None:
    ledger.images_left_out.append(image.image.name)
    for item in image.objects:
        ledger.leave_out(image.annotation.name, item.place, item.label, check)


@dataclass(frozen=True)
class Fault:
    """What is wrong with an image; ``repaired`` and ``ignored`` name the view of it
    that becomes a PNG then, or are empty."""

    check: str
    what: str
    repaired: str = ""
    ignored: str = ""


def check_image(
    one: CheckedImage, decoded: Pixels | str, ledger: Ledger
) -> CheckedImage | None:
    """Return the image with its size, or None if it is left out."""
    source = one.source
    if isinstance(decoded, str):
        faults = [Fault("unreadable-image", decoded)]
    else:
        faults = list(_image_faults(source, decoded))
    png = ""
    for fault in faults:
        action = ledger.note(
            fault.check, source.image.name, "", fault.what, bool(fault.repaired)
        )
        if action in ("error", "drop"):
            _leave_out_image(source, fault.check, ledger)
            return None
        png = png or (fault.repaired if action == "repair" else fault.ignored)
    name = f"{Path(one.name).stem}.png" if png else one.name
    return CheckedImage(source, name, decoded.sizes[png or "seen"], png)


def _image_faults(source: AnnotatedImage, decoded: Pixels) -> Iterator[Fault]:
    sizes, claimed = decoded.sizes, source.size
    width, height = sizes["seen"]
    if decoded.orientation and not _is_for_what_is_seen(claimed, decoded):
        yield _orientation_fault(claimed, decoded)
    if claimed and claimed not in sizes.values():
        name = source.annotation.name
        what = f"{name} says {claimed[0]}x{claimed[1]} but it has {width}x{height}"
        yield Fault("image-size", f"{what} pixels")
    suffix = source.image.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        yield Fault("unsupported-image", f"it is a {suffix} file", "seen")
    if decoded.highest:
        yield Fault("unused-bits", _depth(decoded.highest))
    if decoded.has_more_pages:
        yield Fault("more-pages", "it has several pages or frames")


def _depth(highest: int) -> str:
    bits = highest.bit_length()
    return (
        f"its values reach {highest}, {bits} of 16 bits, and of the upper 8, which are "
        f"seen, 0 to {highest >> 8} of 255; times {2 ** (16 - bits)} they fill them"
    )


def _is_for_what_is_seen(claimed: tuple[int, int] | None, decoded: Pixels) -> bool:
    """Whether the size in an annotation tells that it is for what training sees."""
    other = decoded.sizes["stored" if decoded.orientation == "all" else "upright"]
    return claimed == decoded.sizes["seen"] != other


def _orientation_fault(claimed: tuple[int, int] | None, decoded: Pixels) -> Fault:
    stored, upright = decoded.sizes["stored"], decoded.sizes["upright"]
    what = f"rotates it from {stored} to {upright} pixels"
    if stored == upright:
        what = "turns it over or mirrors it"
    if decoded.orientation == "all":
        return Fault("rotated-image", f"its EXIF tag {what}", "stored")
    what = f"an orientation that viewers follow, and training does not, {what}"
    is_upright = claimed == upright != stored
    return Fault(
        "rotated-image", what, "upright" if is_upright else "stored", "upright"
    )


def check_duplicates(
    kept: list[CheckedImage],
    thumbnails: list,
    lists: Iterable[Path],
    ledger: Ledger,
) -> tuple[list[CheckedImage], list[list[str]]]:
    """Note images with the same content; return those kept, and groups of names."""
    groups = [[kept[i] for i in group] for group in group_duplicates(thumbnails)]
    dropped = set()
    for first, *others in groups:
        for one in others:
            what = f"it shows the same as {first.name}"
            action = ledger.note("duplicate-content", one.source.image.name, "", what)
            if action in ("error", "drop"):
                dropped.add(one.name)
                _leave_out_image(one.source, "duplicate-content", ledger)
    kept = [one for one in kept if one.name not in dropped]
    names = [[one.name for one in group if one.name not in dropped] for group in groups]
    groups = [[one for one in group if one.name not in dropped] for group in groups]
    split_of = _splits(kept, lists)
    for group in groups:
        _note_across_splits(group, split_of, ledger)
    _note_pieces(kept, split_of, ledger)
    return kept, [group for group in names if len(group) > 1]


def _note_across_splits(
    group: list[CheckedImage], split_of: Mapping[str, str], ledger: Ledger
) -> None:
    """Note each image of a group that another split has a copy of already."""
    first_in: dict[str, CheckedImage] = {}
    for one in group:
        split = split_of.get(one.name)
        for other, first in first_in.items():
            if split not in (None, other):
                both = " and ".join(sorted((split, other)))
                what = f"it shows the same as {first.name}, and they are in {both}"
                ledger.note("duplicate-across-splits", one.source.image.name, "", what)
                break
        if split:
            first_in.setdefault(split, one)


def _note_pieces(
    kept: list[CheckedImage], split_of: Mapping[str, str], ledger: Ledger
) -> None:
    """Note pictures of which several splits have pieces, as far as names tell."""
    pieces: dict[str, list[CheckedImage]] = {}
    for one in kept if split_of else ():
        if whole := _whole_of(one.source.image.stem):
            pieces.setdefault(whole, []).append(one)
    for whole, group in pieces.items():
        splits = sorted({split_of[one.name] for one in group if one.name in split_of})
        if len(splits) > 1:
            what = (
                f"its name is that of one of {len(group)} pieces of {whole}, which are "
                f"in {' and '.join(splits)}"
            )
            ledger.note("pieces-across-splits", group[0].source.image.name, "", what)


def _whole_of(stem: str) -> str | None:
    matches = (pattern.fullmatch(stem) for pattern in PIECES)
    return next((match[1] for match in matches if match), None)


def _splits(kept: list[CheckedImage], lists: Iterable[Path]) -> dict[str, str]:
    """Return the split of each image, by its name in the data set."""
    names = NameIndex((one.name, one.name) for one in kept)
    return {
        name: path.stem
        for path in lists
        for line in read_list(path)
        for name in names.find_listed(line)
    }
