"""The environment of make setup-predict: this one, but for all that it lacks."""

import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import cv2
import numpy as np

from mmdet_flow.inference import package_file
from mmdet_flow.inference.deploy.form import form_file, read_form
from tests.conftest import ROOT

LACKING = """
import json, sys

for name in json.loads(sys.argv.pop(1)):
    sys.modules.setdefault(name)
"""


@cache
def lacking() -> frozenset[str]:
    """Return the names to import that are in no package of envs/predict.txt."""
    lines = (ROOT / "envs/predict.txt").read_text().splitlines()
    kept = {"mmdet-flow", *(_plain(line.partition("==")[0]) for line in lines)}
    return frozenset(
        name
        for name, packages in packages_distributions().items()
        if not kept & {*map(_plain, packages)}
    )


def _plain(package: str) -> str:
    return re.sub("[-_.]+", "-", package).lower()


def run_small(
    *arguments: object,
    program: str = "from mmdet_flow.main import main; sys.exit(main())",
) -> subprocess.CompletedProcess:
    """Run mmdet-flow there, or another program in Python."""
    return subprocess.run(
        [
            *(sys.executable, "-c", LACKING + program),
            *(json.dumps(sorted(lacking())), *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
    )


def pack(checkpoint: Path) -> Path:
    """Write the package of a model with its deployable form, beside it."""
    form, _ = read_form(form_file(checkpoint))
    members = {
        package_file.CHECKPOINT: checkpoint.read_bytes(),
        package_file.CONFIG: b"",
        package_file.CLASSES: "\n".join(form.classes).encode(),
        form_file(Path(package_file.CHECKPOINT)).name: (
            form_file(checkpoint).read_bytes()
        ),
    }
    package_file.write_package(checkpoint.with_name("packed.zip"), members, {})
    return checkpoint.with_name("packed.zip")


def random_package(folder: Path) -> Path:
    """Write the package of a model with fixed random weights: it finds many objects."""
    from tests.inference.test_deploy import exported
    from tests.inference.test_engines import random_checkpoint

    random_checkpoint("retinanet_r18_fpn_1x_coco", folder / "model.pth", gain=8)
    exported(folder / "model.pth")
    return pack(folder / "model.pth")


def pictures_in(folder: Path) -> None:
    """Write an image in each of some formats."""
    folder.mkdir(exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    pixels = cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    for suffix in ("png", "jpg", "tiff", "webp"):
        cv2.imwrite(str(folder / f"{suffix}.{suffix}"), pixels)
