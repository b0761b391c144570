"""A comparison to read: as Markdown, and as a page with pictures in one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.comparison.flips import ImageFlips
from mmdet_flow.comparison.pair import Pair
from mmdet_flow.evaluation.shapes import LEGEND, Drawings, jpeg_of
from mmdet_flow.handover.markdown import plain
from mmdet_flow.pages.render import render

KINDS = {"bbox": "box", "segm": "mask"}

Section = tuple[str, Sequence[str], list[Sequence[str]]]
"""Title, header and rows of a table, all of them text."""


def comparison_markdown(content: dict) -> str:
    """Return the comparison as Markdown."""
    lines = [f"# {plain(_title(content))}", "", content["verdict"], ""]
    for title, header, rows in sections(content):
        lines += [f"## {title}", ""]
        lines += [_line(header), _line(["---"] * len(header))] if rows else ["None."]
        lines += [*map(_line, rows), ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(plain, cells)) + " |"


def comparison_html(content: dict, pair: Pair | None, images: Path, limit: int) -> str:
    """Return the page with at most ``limit`` images from the folder ``images``."""
    flips = [one for one in pair.flips if one.flipped][:limit] if pair else []
    return render(
        "comparison.html",
        title=_title(content),
        verdict=content["verdict"],
        sections=sections(content),
        about=_about(content, len(flips)),
        kinds=LEGEND,
        cards=_cards(content, pair, flips, images) if flips else [],
    )


def sections(content: dict) -> Iterator[Section]:
    """Yield the tables of a comparison."""
    yield "Metrics on the test images", METRICS_HEADER, list(_metric_rows(content))
    yield "Found and missed", ("objects found by", "objects"), list(_flip_rows(content))
    yield "Data", ("split", "", "A", "B", "in common"), list(_data_rows(content))
    changes = [line.split(": ", 1) for line in content["config"]]
    yield "Config, from A to B", ("key", "change"), changes
    rows = [[key, *map(_text, pair)] for key, pair in content["environment"].items()]
    yield "Environment, where it differs", ("what", "A", "B"), rows


METRICS_HEADER = ("metric", "A", "B", "B - A", "95 % interval", "includes 0")


def _metric_rows(content: dict) -> Iterator[list[str]]:
    for row in content["metrics"]:
        name = f"{KINDS[row['kind']]} {row['metric']} {row['class']}".strip()
        values = [_text(row[side], ".3f") for side in "ab"]
        limits = "n/a"
        if row["low"] is not None:
            limits = f"{row['low']:+.3f} to {row['high']:+.3f}"
        zero = {None: "n/a", True: "yes", False: "no"}[row["includes_0"]]
        yield [name, *values, _text(row["difference"], "+.3f"), limits, zero]


def _flip_rows(content: dict) -> Iterator[list[str]]:
    if flips := content["flips"]:
        for key, text in (
            ("both", "both"),
            ("only_a", "A alone"),
            ("only_b", "B alone"),
            ("neither", "neither"),
        ):
            yield [text, str(flips[key])]
        yield ["wrong detections of A", str(flips["wrong_a"])]
        yield ["wrong detections of B", str(flips["wrong_b"])]


def _data_rows(content: dict) -> Iterator[list[str]]:
    for split, own in content["data"].items():
        a, b = own["a"], own["b"]
        common = "the same" if own["same"] else str(own["common_images"])
        yield [split, "images", str(a["images"]), str(b["images"]), common]
        for name in dict.fromkeys([*a["objects"], *b["objects"]]):
            counts = [_text(side["objects"].get(name)) for side in (a, b)]
            yield [split, f"objects: {name}", *counts, ""]
        yield [split, "SHA-256", a["sha256"][:12], b["sha256"][:12], ""]


def _text(value, form: str = "") -> str:
    return "n/a" if value is None else format(value, form)


def _title(content: dict) -> str:
    return f"{content['a']} (A) and {content['b']} (B)"


def _about(content: dict, shown: int) -> str:
    flips = content["flips"]
    if flips is None:
        return "The test sets differ."
    total = flips["images_with_flips"]
    if not total:
        return "None: both find the same objects."
    which = f"all {total}" if shown == total else f"the first {shown} of {total}"
    return (
        f"Shown: {which} images where one finds an object that the other misses, most "
        f"such objects first. A is on the left. An object is found if a detection of "
        f"its class that is kept by the model's own lowest score has an IoU of 0.5 or "
        f"more with its {KINDS[flips['kind']]}."
    )


def _cards(
    content: dict, pair: Pair, flips: Sequence[ImageFlips], images: Path
) -> Iterator[dict]:
    left, right = (Drawings(pair.truth.classes, pair.kind, kept) for kept in pair.kept)
    for one in flips:
        picture = jpeg_of(images / one.file)
        yield {
            "left": left.whole(one.index, "A", picture),
            "right": right.whole(one.index, "B"),
            "file": one.file,
            "told": (
                f"{one.only_a} found by A alone, {one.only_b} by B alone, {one.both} "
                f"by both, {one.neither} by neither; wrong detections: {one.wrong_a} "
                f"of A, {one.wrong_b} of B"
            ),
        }
