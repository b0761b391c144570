"""What mmdet-flow makes of a folder that a tool has written."""

import json
from pathlib import Path

import yaml

from mmdet_flow.files import sha256_of
from mmdet_flow.workflow.options import option
from tests.conftest import run_command


class Refused(Exception):
    """A command did not do it; the text is its message."""


def read_by_us(folder: Path, work: Path, images: Path) -> list[dict]:
    """Take a folder through init, check, convert and split; return what came out.

    Nothing is told to the commands that init did not find out. Images are named after
    those in ``images`` that have the same content.
    """
    work.mkdir(parents=True)
    config = work / "config.yaml"
    _run("start init", "--quick", folder, f"--output={config}", "--name=it")
    experiment = yaml.safe_load(config.read_text())["experiments"]["it"]
    words = [word for item in experiment["data"].items() for word in option(*item)]
    _check(words, work / "findings.json")
    _run("data convert", *words, f"--output={work / 'dataset'}")
    coco = work / "dataset" / "annotations.json"
    words = [word for item in experiment["splits"].items() for word in option(*item)]
    _run("data split", coco, f"--output={work / 'splits'}", *words)
    return objects_of(coco, images)


def convert(form: str, annotations: Path, images: Path, output: Path) -> None:
    """Convert annotations of a format that is known."""
    _run(
        "data convert",
        *("--format", form, "--annotations", annotations),
        *("--images", images, "--output", output),
    )


def export(predictions: Path, output: Path, classes: list[str], *options: str) -> None:
    """Export predictions as annotations."""
    wanted = ("--output", output, "--classes", *classes)
    _run("label export", predictions, *options, *wanted)


def _check(words: list[str], report: Path) -> None:
    """Check a data set; refusals name their findings."""
    try:
        _run("data check", *words, f"--report={report}")
    except Refused as error:
        if not report.is_file():
            raise
        findings = json.loads(report.read_text())["findings"]
        errors = [one for one in findings if one["action"] == "error"]
        if not errors:
            raise
        first = errors[0]
        checks = ", ".join(sorted({one["check"] for one in errors}))
        raise Refused(f"{checks}, as {first['what']}") from error


def _run(words: str, *options: object) -> None:
    done = run_command(f"mmdet-flow {words}", *options)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Refused(f"{words}: {lines[-1]}")


def objects_of(coco: Path, images: Path) -> list[dict]:
    """Return the images of a COCO file with their objects, in the form of the truth."""
    names = {sha256_of(path): path.name for path in images.iterdir()}
    content = json.loads(coco.read_text())
    labels = {one["id"]: one["name"] for one in content["categories"]}
    found = {one["id"]: _image(one, coco.parent, names) for one in content["images"]}
    for one in content["annotations"]:
        item = {"label": labels[one["category_id"]], "bbox": one["bbox"]}
        outline = one.get("segmentation") or []
        kind = "mask" if isinstance(outline, dict) else "polygons"
        found[one["image_id"]]["objects"].append(
            item | {"polygons": []} | {kind: outline}
        )
    return list(found.values())


def _image(entry: dict, folder: Path, names: dict[str, str]) -> dict:
    digest = sha256_of(folder / "images" / entry["file_name"])
    return {"name": names.get(digest, entry["file_name"]), "objects": []}
