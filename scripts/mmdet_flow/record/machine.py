"""What a run was made with: the state of the sources, packages, and the machine."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from mmdet_flow import ROOT, __version__, processor
from mmdet_flow.dataset.wai import find_wai_annotations
from mmdet_flow.errors import FlowError

OWN_FILES = ("config.yaml", "data")
"""What users change in a checkout; the record has it in other places."""


def workflow() -> dict:
    """Return name and version of the workflow, and its git state, None without git."""
    return {"name": "mmdet-flow", "version": __version__, "git": git_state(ROOT)}


def git_state(root: Path) -> dict | None:
    """Return the commit of a checkout, and whether its sources were changed since."""
    head = _git(root, "rev-parse", "--show-toplevel", "HEAD")
    if head is None:
        return None
    top, commit = head.splitlines()
    if not Path(top).samefile(root):
        return None
    others = [f":!{name}" for name in OWN_FILES]
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *others)
    return {"commit": commit, "dirty": bool(changed)}


def _git(root: Path, *args: str) -> str | None:
    """Return what git says, None if it is missing or fails."""
    try:
        return subprocess.run(
            ["git", "-C", root, *args], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


def packages() -> dict:
    """Return the versions of Python and of all packages of both environments."""
    return {
        "python": platform.python_version(),
        "main": _versions(),
        "wai-annotations": _versions_of_wai_annotations(),
    }


def _versions_of_wai_annotations() -> dict[str, str] | None:
    """Return what is installed beside wai.annotations; None if that is unknown."""
    try:
        folder = Path(find_wai_annotations()).resolve().parent.parent
    except FlowError:
        return None
    return _versions(path=sorted(map(str, folder.glob("lib/python3*/site-packages"))))


def _versions(**where) -> dict[str, str]:
    found = metadata.distributions(**where)
    return {one.metadata["Name"]: one.version for one in found}


def machine() -> dict:
    """Return processor, cores, memory and system, and no name of machine or user."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor.name() or None,
        "features": processor.features(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "libc": " ".join(platform.libc_ver()),
    }
