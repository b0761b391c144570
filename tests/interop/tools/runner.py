"""What the runners of all tools share; it runs in their environments, on Python alone.

    python NAME_tool.py write truth.json images target
    python NAME_tool.py read sources.json images target

A runner holds functions called ``write_FORMAT(truth, images, target)`` and
``read_FORMAT(source, images)``. The names of formats end with what they hold: boxes or
outlines. Each writer gets a folder of its own in ``target``. Each reader gets the path
that the JSON file ``sources`` has for its format, and what it finds becomes
``target/FORMAT.json``. ``target/done.json`` says what became of each format: null, or
the error.

Truth and what is read are {"images": [{"name", "objects": [{"label", "bbox",
"polygons"}]}]}, with boxes as x, y, width, height.
"""

import json
import shutil
import sys
import traceback
from pathlib import Path


def main(functions: dict) -> None:
    """Run all functions of a runner that write, or all that read."""
    action, source, images, target = sys.argv[1:]
    images, target = Path(images), Path(target)
    target.mkdir(parents=True)
    done = {}
    for name, function in functions.items():
        if not name.startswith(f"{action}_"):
            continue
        form = name.removeprefix(f"{action}_")
        try:
            if action == "write":
                truth = json.loads(Path(source).read_text())
                function(truth, images, target / form)
            else:
                found = function(_source_of(form, Path(source)), images)
                (target / f"{form}.json").write_text(json.dumps({"images": found}))
            done[form] = None
        except Exception as error:
            traceback.print_exc()
            done[form] = f"{type(error).__name__}: {error}"
    (target / "done.json").write_text(json.dumps(done))


def _source_of(form: str, sources: Path) -> Path:
    """Return the file or folder to read: its own, or of "coco" for "coco_boxes"."""
    places = json.loads(sources.read_text())
    return Path(places.get(form) or places[form.rpartition("_")[0]])


def copy_images(images: Path, target: Path) -> None:
    """Put the images where a tool leaves them to its user."""
    shutil.copytree(images, target, dirs_exist_ok=True)


def outlines_of(item: dict) -> list[list[float]]:
    """Return the outlines of an object, for formats in which each has one."""
    x, y, width, height = item["bbox"]
    right, bottom = x + width, y + height
    return item["polygons"] or [[x, y, right, y, right, bottom, x, bottom]]


def points_of(values: list[float]) -> list[tuple[float, float]]:
    """Return x0, y0, x1, y1, ... as points."""
    return list(zip(values[::2], values[1::2], strict=True))
