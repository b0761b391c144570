"""The account of a cutting: what became of each tile and each object."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain

from mmdet_flow import cli
from mmdet_flow.dataset.tiling.parts import Part, as_written
from mmdet_flow.dataset.tiling.plan import Cutting, Divided, is_learned
from mmdet_flow.words import counted

COLUMNS = (
    *("splits", "image", "object", "class", "x", "y", "width", "height"),
    *("visible", "learned", "what", "fix"),
)
"""What the table of the objects has that no tile shows whole."""

FIX = "enlarge tiles.size or tiles.overlap, or set tiles.full_image"

Splits = Mapping[str, Sequence[Divided]]
"""The images of each split."""


def report_of(splits: Splits, cutting: Cutting) -> dict:
    """Return the account as plain values, of which these sums hold in each split:

    tiles cut = kept + left out; kept = with objects + empty; objects read = whole + cut
    + left out + crowds, by what the best tile of each shows; annotations written =
    whole + cut + too small to learn + crowds.
    """
    return {
        "settings": settings_of(cutting),
        "side": cutting.tiles.side,
        "splits": {name: _account(own, cutting) for name, own in splits.items()},
    }


def settings_of(cutting: Cutting) -> dict:
    """Return how tiles were cut, each setting by the name of its key in the config."""
    settings = asdict(cutting)
    return settings.pop("tiles") | settings


def _account(images: Sequence[Divided], cutting: Cutting) -> dict:
    kept = [tile for one in images for tile in one.kept]
    parts = [part for tile in kept for part in tile.parts.values()]
    cut = sum(one.count for one in images)
    with_objects = sum(
        any(is_learned(part, cutting) for part in tile.parts.values()) for tile in kept
    )
    return {
        "images": {
            "read": len(images),
            "divided": sum(one.count > 1 for one in images),
        },
        "tiles": {
            "cut": cut,
            "kept": len(kept),
            "with_objects": with_objects,
            "empty": len(kept) - with_objects,
            "left_out": cut - len(kept),
        },
        "objects": {
            "read": sum(len(one.objects) for one in images),
            **_counted(("whole", "cut", "left_out", "crowds"), map(_became, images)),
        },
        "annotations": {
            "written": len(parts),
            **_counted(
                ("whole", "cut", "too_small", "crowds"),
                [[_written_as(part, cutting) for part in parts]],
            ),
        },
    }


def _counted(words: Sequence[str], found: Iterable[Iterable[str]]) -> dict[str, int]:
    """Return how often each word was found."""
    counts = Counter(chain.from_iterable(found))
    return {word: counts[word] for word in words}


def _became(one: Divided) -> Iterator[str]:
    """Yield what became of each object of an image: what its best tile shows."""
    for crowd, whole, learned in zip(one.crowd, one.whole, one.learned, strict=True):
        if crowd:
            yield "crowds"
        elif whole:
            yield "whole"
        else:
            yield "cut" if learned else "left_out"


def _written_as(part: Part, cutting: Cutting) -> str:
    if part.annotation.get("iscrowd"):
        return "crowds"
    if part.is_whole:
        return "whole"
    return "cut" if is_learned(part, cutting) else "too_small"


def findings_of(
    splits: Splits, classes: Mapping[int, str], cutting: Cutting
) -> Iterator[dict]:
    """Yield a row for each object that no tile shows whole, crowds aside."""
    where: dict[str, list[str]] = {}
    images = {}
    for name, own in splits.items():
        for one in own:
            where.setdefault(one.image["file_name"], []).append(name)
            images[one.image["file_name"]] = one
    for file, one in sorted(images.items()):
        for index in (~one.whole & ~one.crowd).nonzero()[0].tolist():
            item = one.objects[index]
            x, y, width, height = item["bbox"]
            yield {
                **{"splits": " ".join(sorted(where[file])), "image": file},
                **{"object": item["id"], "class": classes[item["category_id"]]},
                **{"x": x, "y": y, "width": width, "height": height},
                "visible": as_written(float(one.visible[index])),
                "learned": int(one.learned[index]),
                "what": _what(max(width, height), cutting, bool(one.learned[index])),
                "fix": FIX,
            }


def _what(longer: float, cutting: Cutting, learned: bool) -> str:
    side = cutting.tiles.side
    what = f"it lies across tiles, which share less than its {longer:g} pixels"
    if longer > side:
        what = f"it is larger than a tile, whose side shows {side} pixels"
    return what if learned else f"{what}; no tile shows enough of it to learn"


def table_of(rows: Iterable[Mapping]) -> str:
    """Return the rows as CSV."""
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def tell(report: dict, findings: Sequence[dict]) -> None:
    """Log what was cut, and of the objects that no tile shows whole how many."""
    for name, own in report["splits"].items():
        tiles, objects = own["tiles"], own["objects"]
        cli.log.info(
            "%s: %s, %s (%d kept, %d of them empty); %s, of which a tile shows %d "
            "whole",
            *(name, counted(own["images"]["read"], "image")),
            *(counted(tiles["cut"], "tile"), tiles["kept"], tiles["empty"]),
            *(counted(objects["read"], "object"), objects["whole"]),
        )
    if findings:
        first = findings[0]
        cli.log.warning(
            "no tile shows all of %s, such as %s, %gx%g at %g,%g of %s, of "
            "which one shows %d %%; findings.csv lists them; %s",
            *(counted(len(findings), "object"), first["class"]),
            *(first["width"], first["height"]),
            *(first["x"], first["y"], first["image"]),
            *(math.floor(100 * first["visible"]), FIX),
        )
