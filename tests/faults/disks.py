"""A disk that is full, as a tmpfs of a few MB or as a limit on the size of files."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.core import (
    Case,
    Lost,
    Skipped,
    content_of,
    require,
    require_same,
    run,
    scenario,
)
from tests.faults.folders import command as predict
from tests.faults.folders import made
from tests.faults.kills import choosing, joining, tiling


@contextmanager
def small_disk(case: Case, size: int) -> Iterator[Path]:
    """Yield a folder on a disk of so many bytes."""
    folder = case.folder / "disk"
    folder.mkdir()
    if os.getuid() != 0 or not shutil.which("mount"):
        raise Skipped("a small disk needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        raise Skipped("this machine mounts no tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder: Path) -> None:
    remount = ["mount", "-o", "remount,size=1g", str(folder)]
    subprocess.run(remount, check=True, capture_output=True)


def _fill_and_repeat(case: Case, key: str, asked, prepare, result) -> None:
    """Run a command on a full disk, make room, and run it again."""

    def undisturbed():
        folder = case.world.folder / "undisturbed" / f"disk-{key}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        prepare(folder)
        require(run(case.world, *asked(folder), seconds=300), 0)
        return result(folder)

    wanted = case.world.measured.get(f"disk {key}", undisturbed)
    total = sum(map(len, wanted.values()))
    with small_disk(case, 1 << 30) as folder:
        prepare(folder)
        state = os.statvfs(folder)
        used = (state.f_blocks - state.f_bfree) * state.f_frsize
        size = used + int(case.dice.uniform(0.05, 0.9) * max(total - used, 4096))
        size = max(size, used + 8192) // state.f_frsize * state.f_frsize
        limit = ["mount", "-o", f"remount,size={size}", str(folder)]
        subprocess.run(limit, check=True, capture_output=True)
        full = require(run(case.world, *asked(folder), seconds=300), 0, 1, 2, 3, 4, 5)
        if full.code and full.stderr.count("error: ") != 1:
            raise Lost(f"not one line: {full.stderr[-300:]}")
        for name, content in result(folder).items():
            hidden = Path(name).name.startswith(".")
            if name in wanted and not hidden and content != wanted[name]:
                raise Lost(f"{name} is half-written")
        grow(folder)
        require(run(case.world, *asked(folder), seconds=300), 0)
        require_same(result(folder), wanted)


@scenario("full-convert", cases=10)
def full_convert(case: Case) -> None:
    """data convert on a full disk: one line, and complete after room is made"""
    data = case.world.dataset

    def asked(folder: Path) -> list:
        return [
            *(
                "mmdet-flow data convert",
                "--format",
                "opex",
                "--annotations",
                data.source,
            ),
            *("--images", data.source, "--output", folder / "out", "--threads", 1),
        ]

    _fill_and_repeat(case, "convert", asked, lambda folder: None, content_of)


@scenario("full-tile", cases=8)
def full_tile(case: Case) -> None:
    """data tile on a full disk: one line, and complete after room is made"""

    def asked(folder: Path) -> list:
        return tiling(case.world.dataset, folder / "out")

    _fill_and_repeat(case, "tile", asked, lambda folder: None, content_of)


@scenario("full-export", cases=6)
def full_export(case: Case) -> None:
    """label export on a full disk: one line, and complete after room is made"""

    def asked(folder: Path) -> list:
        # Copies, since a link takes no room.
        words = ["--format", "labelme", "--output", folder / "out", "--copy"]
        return ["mmdet-flow label export", case.world.dataset.source, *words]

    _fill_and_repeat(case, "export", asked, lambda folder: None, content_of)


@scenario("full-join", cases=6)
def full_join(case: Case) -> None:
    """label join on a full disk: one line, and complete after room is made"""

    def asked(folder: Path) -> list:
        return joining(case.world.dataset, folder / "out")

    _fill_and_repeat(case, "join", asked, lambda folder: None, content_of)


@scenario("full-choose", cases=6)
def full_choose(case: Case) -> None:
    """label choose on a full disk: one line, and complete after room is made"""

    def asked(folder: Path) -> list:
        return choosing(case.world.dataset, folder / "out")

    _fill_and_repeat(case, "choose", asked, lambda folder: None, content_of)


@scenario("full-predict", cases=12)
def full_predict(case: Case) -> None:
    """predict on a full disk: one line, and complete after room is made"""

    def prepare(folder: Path) -> None:
        shutil.copytree(case.world.dataset.images, folder / "in")

    _fill_and_repeat(
        *(case, "predict", lambda folder: predict(case.world, folder, "--keep_input")),
        *(prepare, made),
    )


@scenario("full-package", cases=6)
def full_package(case: Case) -> None:
    """handover package on a full disk: one line, and complete after room is made"""
    # Of one name, which the package has in it.
    folder = case.world.folder / "packed" / case.folder.name
    results = case.world.experiment(folder / "small")
    _fill_and_repeat(
        *(
            case,
            "package",
            lambda f: ["mmdet-flow handover package", results, "--output", f / "m.zip"],
        ),
        *(lambda folder: None, content_of),
    )


@scenario("full-training", cases=4)
def full_training(case: Case) -> None:
    """model train on a full disk: one line, and the same weights after room is made"""

    def asked(folder: Path) -> list:
        return [
            *(
                "mmdet-flow model train",
                case.world.config,
                "--work-dir",
                folder / "work",
            ),
            *("--resume", "auto", "--threads", 1, "--publish", folder / "model.pth"),
        ]

    def weights(folder: Path) -> dict:
        path = folder / "model.pth"
        return {path.name: path.read_bytes()} if path.is_file() else {}

    _fill_and_repeat(case, "training", asked, lambda folder: None, weights)
