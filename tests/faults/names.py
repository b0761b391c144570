"""Class names that mean something to a shell, a parser or a terminal."""

import json
from collections import Counter

from mmdet_flow.dataset.coco import CocoFile
from tests.faults.core import REFUSALS, Bug, Case, LetIn, require, run, scenario
from tests.faults.kills import sources

NAMES = (
    *("$(touch marker)", "`touch marker`", "a; touch marker", "a | b", "a && b", "*"),
    *("--output=x", "-h", "--", "a,b", 'a"b', "a'b", "a\\nb", "a\nb", "a\tb", "a\rb"),
    *("\u202eabc", "\x07", "\x1b[31m", "\x00", "", " ", " a ", "x" * 300, "../../a"),
    *("%s%n", "{0}", "#a", "=1+1", "null", "no", "1", "\u00e9", "\u732b", "a/b", "<b>"),
)
"""None of them does harm when it is run: it would make an empty file."""


@scenario("class-names", cases=37, items=lambda world: NAMES)
def class_names(case: Case) -> None:
    """Odd class names, converted and read again: the same name, or refused"""
    name, world = case.item, case.world
    coco = json.loads(sources(world)["coco"][0].read_text())
    old = coco["categories"][0]["name"]
    coco["categories"][0]["name"] = name
    path = case.folder / "annotations.json"
    path.write_text(json.dumps(coco))
    place = case.folder / "cwd"
    place.mkdir()
    done = run(
        *(world, "mmdet-flow data convert", "--format", "coco", "--annotations", path),
        *("--images", world.dataset.images, "--output", case.folder / "out"),
        *("--threads", 1),
        cwd=place,
    )
    require(done, 0, *REFUSALS)
    if any(place.iterdir()):
        raise LetIn(f"{name!r}: something was written where the command ran")
    if "\x1b[31m" in done.stderr or "\x07" in done.stderr:
        raise LetIn(f"{name!r}: control characters reach the terminal")
    if done.code:
        if done.stderr.count("error: ") != 1:
            raise Bug(f"{name!r}: not one line")
        return
    made = CocoFile.read(case.folder / "out" / "annotations.json")
    wanted = Counter(
        name.strip() if one == old else one for one in _labels(world.dataset.coco)
    )
    if Counter(_labels(made)) != wanted:
        raise LetIn(f"{name!r}: objects have other names: {made.classes}")
    lines = (case.folder / "out" / "classes.txt").read_bytes().decode().split("\n")
    if lines[:-1] != list(made.classes):
        raise LetIn(f"{name!r}: the class list has other lines: {lines}"[:300])


def _labels(coco: CocoFile) -> list[str]:
    names = {one["id"]: one["name"] for one in coco.categories}
    return [names[one["category_id"]] for one in coco.annotations]
