"""A comparison to read: as Markdown, and as a page with pictures in one file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.comparison.disagreements import Disagreement
from mmdet_flow.comparison.pair import Pair
from mmdet_flow.evaluation.shapes import LEGEND, Drawings, jpeg_of
from mmdet_flow.handover.markdown import plain
from mmdet_flow.pages.render import render

SHAPES = {"bbox": "box", "segm": "mask"}

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
    shown = [one for one in pair.images if one.objects][:limit] if pair else []
    return render(
        "comparison.html",
        title=_title(content),
        verdict=content["verdict"],
        sections=sections(content),
        about=_about(content, len(shown)),
        colours=LEGEND,
        cards=_cards(pair, shown, images) if shown else [],
    )


def sections(content: dict) -> Iterator[Section]:
    """Yield the tables of a comparison."""
    yield "Metrics on the test images", METRICS_HEADER, list(_metric_rows(content))
    yield (
        "Found and missed",
        ("objects found by", "objects"),
        list(_found_rows(content)),
    )
    yield "Data", ("split", "", "A", "B", "in common"), list(_data_rows(content))
    changes = [
        [_text(own[key], none="-") for key in CHANGE] for own in content["config"]
    ]
    yield "Config", ("key", "A", "B"), changes
    rows = [[key, *map(_text, pair)] for key, pair in content["environment"].items()]
    yield "Environment, where it differs", ("what", "A", "B"), rows


CHANGE = ("key", "before", "after")
METRICS_HEADER = ("metric", "A", "B", "B - A", "95 % interval", "includes 0")


def _metric_rows(content: dict) -> Iterator[list[str]]:
    for row in content["metrics"]:
        name = f"{SHAPES[row['iou_type']]} {row['metric']} {row['class']}".strip()
        values = [_text(row[side], ".3f") for side in "ab"]
        limits = "n/a"
        if row["low"] is not None:
            limits = f"{row['low']:+.3f} to {row['high']:+.3f}"
        zero = {None: "n/a", True: "yes", False: "no"}[row["includes_0"]]
        yield [name, *values, _text(row["difference"], "+.3f"), limits, zero]


def _found_rows(content: dict) -> Iterator[list[str]]:
    if counts := content["disagreements"]:
        for key, text in (
            ("both", "both"),
            ("only_a", "A alone"),
            ("only_b", "B alone"),
            ("neither", "neither"),
        ):
            yield [text, str(counts[key])]
        yield ["false positives of A", str(counts["false_positives_a"])]
        yield ["false positives of B", str(counts["false_positives_b"])]


def _data_rows(content: dict) -> Iterator[list[str]]:
    for split, own in content["data"].items():
        a, b = own["a"], own["b"]
        common = "the same" if own["same"] else str(own["common_images"])
        yield [split, "images", str(a["images"]), str(b["images"]), common]
        for name in dict.fromkeys([*a["objects"], *b["objects"]]):
            counts = [_text(side["objects"].get(name)) for side in (a, b)]
            yield [split, f"objects: {name}", *counts, ""]
        yield [split, "SHA-256", a["sha256"][:12], b["sha256"][:12], ""]


def _text(value, form: str = "", none: str = "n/a") -> str:
    return none if value is None else format(value, form)


def _title(content: dict) -> str:
    return f"{content['a']} (A) and {content['b']} (B)"


def _about(content: dict, shown: int) -> str:
    counts = content["disagreements"]
    if counts is None:
        return "The test sets differ."
    total = counts["images"]
    if not total:
        return "None: both find the same objects."
    which = f"all {total}" if shown == total else f"the first {shown} of {total}"
    return (
        f"Shown: {which} images where one finds an object that the other misses, most "
        f"such objects first. A is on the left. An object is found if a detection of "
        f"its class reaches the model's own score threshold and has an IoU of 0.5 or "
        f"more with its {SHAPES[counts['iou_type']]}."
    )


def _cards(pair: Pair, shown: Sequence[Disagreement], images: Path) -> Iterator[dict]:
    left, right = (
        Drawings(pair.truth.classes, pair.iou_type, kept) for kept in pair.kept
    )
    for one in shown:
        picture = jpeg_of(images / one.file)
        yield {
            "left": left.whole(one.index, "A", picture),
            "right": right.whole(one.index, "B"),
            "file": one.file,
            "told": (
                f"{one.only_a} found by A alone, {one.only_b} by B alone, {one.both} "
                f"by both, {one.neither} by neither; false positives: "
                f"{one.false_positives_a} of A, {one.false_positives_b} of B"
            ),
        }
