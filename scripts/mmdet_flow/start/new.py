"""A new project folder, whole or not there."""

import os
import shlex
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mmdet_flow import PACKED, ROOT
from mmdet_flow.errors import FlowError, UsageError
from mmdet_flow.files import UMASK, new_folder
from mmdet_flow.project_files import PARTS, SOURCES, files_around, files_of_package


def make_project(folder: Path, root: Path = ROOT) -> None:
    """Make a folder of the workflow in ``root``, with the package that runs.

    UsageError for a folder that cannot be taken, FlowError if it cannot be written or
    not all of the workflow is installed.
    """
    require_whole(root)
    require_empty(folder)
    packages = PACKED.parents[1]
    files = {path: root / path for path in files_around(root)}
    for path in files_of_package(packages, PACKED):
        files[Path(SOURCES, path)] = packages / path
    target = Path(os.path.realpath(folder))
    try:
        with (
            new_folder(target.parent),
            TemporaryDirectory(dir=target.parent, prefix=".new-") as scratch,
        ):
            stage = Path(scratch, "project")
            for path, source in files.items():
                copy(source, stage / path)
            stage.rename(target)  # over an empty folder, too
    except OSError as error:
        raise FlowError(
            f"{folder}: cannot be made: {error.strerror or error}; choose another "
            "folder"
        ) from None


def require_whole(root: Path) -> None:
    """FlowError where an image, say, has been built with a part of the workflow."""
    missing = [part for part in PARTS if not (root / part).exists()]
    if missing:
        raise FlowError(
            f"{root}: {missing[0]} is not installed there; install mmdet-flow with "
            "pip, or in a checkout"
        )


def require_empty(folder: Path) -> None:
    """UsageError for what is there, but for an empty folder elsewhere than here."""
    try:
        if folder.is_symlink() and not folder.exists():
            raise UsageError(f"{folder}: is a link to nothing; name a new folder")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is a file; name a new folder")
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder}: has something in it; name a new folder")
        # It is replaced as a whole, and whoever is in it would be nowhere.
        if folder.exists() and folder.samefile(Path.cwd()):
            raise UsageError(f"{folder}: is where you are; name a new folder in it")
    except (OSError, ValueError) as error:  # too long, not to be read; a NUL
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{str(folder)!r}: {reason}; name a new folder") from None


def copy(source: Path, target: Path) -> None:
    """Copy a file that its owner may change, and whoever could may run."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    is_program = os.access(source, os.X_OK)
    target.chmod((0o777 if is_program else 0o666) & ~UMASK)


def next_steps(folder: Path) -> str:
    """Return what is left to do in a new project."""
    # To cd, a dash at the beginning is an option, or where one was before.
    place = f"./{folder}" if str(folder).startswith("-") else str(folder)
    return f"""\
made {folder}: the workflow, and a config that trains on the embedded example
next, where Python 3.11, 3.12 or 3.13, its headers, a C++ compiler and make are there:
  cd {shlex.quote(place)}
  make setup                            both environments, mostly mmcv: 10 minutes
  export PATH="$PWD/.venv/bin:$PATH"
  mmdet-flow start init DATA --force    a config for your images
  mmdet-flow run"""
