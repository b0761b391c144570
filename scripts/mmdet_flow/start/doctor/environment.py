"""The environments: Python, the packages of the locks, and what is compiled."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Sequence
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path

from mmdet_flow.dataset.wai import READER, WRITER, find_wai_annotations
from mmdet_flow.errors import FlowError
from mmdet_flow.start.doctor.check import Check, Note, last_line

PYTHONS = ((3, 11), (3, 12), (3, 13))
PATIENCE = 180
"""Seconds for a probe; the first import of all packages is slow on a network disk."""

OPERATORS = """
import torch
from mmcv.ops import nms
boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0]])
assert len(nms(boxes, torch.tensor([0.9, 0.8]), 0.5)[1]) == 1, "nms is wrong"
import mmdet.apis
"""

BUILD_TOOLS = ("ninja", "wheel")
"""What only make setup needs; the image is without them."""

MODULES = (
    *("torch", "mmcv", "mmdet", "mmengine", "numpy", "cv2", "PIL", "yaml", "redis"),
    *("openvino", "pandas", "pycocotools", "snakemake"),
)
"""What other places, which Python searches first, must not bring."""


def checks(root: Path) -> list[Check]:
    """Return the checks of the environment that runs, and of that beside it."""
    own, bin_folder = Path(sysconfig.get_path("purelib")), Path(sys.executable).parent
    locks, stand_ins = root / "envs", root / "envs/stand-ins"
    return [
        Check("Python", python),
        Check("packages", lambda: packages(locks / "main.txt", own)),
        Check("commands", lambda: commands(root / "pyproject.toml", bin_folder)),
        Check("leaks", lambda: leaks(sys.path, Path(sys.prefix), os.environ)),
        Check("mmcv", lambda: operators(sys.executable), slow=True),
        Check(
            "converter", lambda: packages(locks / "wai-annotations.txt", wai_packages())
        ),
        Check("stand-ins", lambda: stand_ins_only(stand_ins, wai_packages())),
        Check("readers", wai_runs, slow=True),
        Check("compiler", compiler),
    ]


def python(version: Sequence[int] = sys.version_info) -> str:
    """Check the version of Python, for which the locks are."""
    said = ".".join(map(str, version[:3]))
    if tuple(version[:2]) not in PYTHONS:
        raise FlowError(
            f"Python {said}: the locks are for 3.11 to 3.13; install one of these and "
            "run make setup"
        )
    return f"{said} in {sys.prefix}"


def packages(lock: Path, site_packages: Path) -> str:
    """Compare the packages of an environment with its lock."""
    wanted = pinned(lock)
    there = versions(site_packages)
    mismatches = []
    for name, version in wanted.items():
        found = there.get(plain(name))
        if found is None and name in BUILD_TOOLS:
            continue
        # The index decides whether torch calls itself 2.13.0 or 2.13.0+cpu.
        if found is None or found.split("+")[0] != version.split("+")[0]:
            mismatches.append(f"{name} {found or 'missing'} instead of {version}")
    if mismatches:
        more = f" and {len(mismatches) - 3} more" if len(mismatches) > 3 else ""
        raise FlowError(f"{', '.join(mismatches[:3])}{more}; run make setup")
    return f"{len(wanted)} as in envs/{lock.name}"


def pinned(lock: Path) -> dict[str, str]:
    """Return the version of each package that a lock has for this Python."""
    from packaging.requirements import Requirement

    lines = lock.read_text(encoding="utf-8").splitlines()
    found = (Requirement(one) for one in lines if one.strip() and one[0] != "#")
    here = (one for one in found if one.marker is None or one.marker.evaluate())
    return {one.name: str(one.specifier).removeprefix("==") for one in here}


def versions(site_packages: Path) -> dict[str, str]:
    """Return the version of each package in a folder, by its plain name."""
    found = distributions(path=[str(site_packages)])
    return {plain(one.metadata["Name"]): one.version for one in found}


def plain(name: str) -> str:
    """Return a package's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def stand_ins_only(folder: Path, site_packages: Path) -> str:
    """Refuse a package that has the name of a stand-in and is none.

    The name planar, which wai.annotations asks for, belongs to an unrelated product.
    """
    there = versions(site_packages)
    ours = []
    for file in sorted(folder.glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        found = there.get(plain(project["name"]))
        if found == project["version"]:
            ours.append(project["name"])
        elif found or project["name"] == "planar":
            raise FlowError(
                f"{project['name']} {found or 'is missing, and'} is not the stand-in "
                "of envs/stand-ins; remove .venv-wai and run make setup"
            )
    return ", ".join(ours)


def commands(project: Path, folder: Path) -> str:
    """Look for each command of the project beside Python."""
    scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["scripts"]
    missing = [name for name in scripts if not (folder / name).exists()]
    if missing:
        raise FlowError(f"{', '.join(missing)}: not installed; run make setup")
    return f"{len(scripts)} installed"


def leaks(paths: Sequence[str], prefix: Path, variables: dict[str, str]) -> str:
    """Find packages that would come from elsewhere than the environment."""
    for name in MODULES:
        spec = PathFinder.find_spec(name, list(paths))
        place = spec and (spec.origin or next(iter(spec.submodule_search_locations)))
        if place and not Path(place).absolute().is_relative_to(prefix.absolute()):
            raise FlowError(
                f"{name} comes from {place}, not from {prefix}; unset PYTHONPATH, or "
                "set PYTHONNOUSERSITE=1"
            )
    if variables.get("PYTHONPATH"):
        return Note(f"PYTHONPATH is {variables['PYTHONPATH']}; better unset it")
    return "no packages from elsewhere"


def operators(executable: str) -> str:
    """Run a compiled operator of mmcv, and import mmdet, in a process of its own."""
    run = subprocess.run(
        [executable, "-c", OPERATORS],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )
    if run.returncode:
        raise FlowError(
            f"mmcv or mmdet fails: {last_line(run.stderr)}; remove .venv and run make "
            "setup"
        )
    return "mmcv's compiled operators work"


def wai_packages() -> Path:
    """Return the packages of the environment that the wai-annotations command is in."""
    prefix = Path(find_wai_annotations()).resolve().parent.parent
    found = next(prefix.glob("lib/python3*/site-packages"), None)
    if found is None:
        raise FlowError(f"{prefix} is no environment; remove it and run make setup")
    return found


def wai_runs() -> str:
    """Have wai.annotations list its plugins, and look for those that are needed."""
    command = find_wai_annotations()
    run = subprocess.run(
        [command, "plugins"],
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )
    missing = [name for name in (READER, WRITER) if name not in run.stdout]
    if run.returncode or missing:
        reason = f"{missing[0]} is missing" if missing else last_line(run.stderr)
        raise FlowError(
            f"wai-annotations fails: {reason}; remove .venv-wai and run make setup"
        )
    return "wai.annotations has its plugins"


def compiler(search: str | None = None) -> str:
    """Look for what only the first set-up needs."""
    if shutil.which("c++", path=search) is None:
        return Note("there is no C++ compiler; only make setup needs it, for mmcv")
    return "c++ is there"
