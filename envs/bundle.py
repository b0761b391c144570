"""Pack the project with all its wheels, for machines without a network.

    .venv/bin/python envs/bundle.py [--output dist] [--weights SOURCE...]

Writes mmdet-flow-bundle-VERSION.tar: the committed files of the checkout, and beside
them a folder bundle/ with a wheel of every package of the locks, their checksums in
SHA256SUMS, and what they need of a machine in platform.txt. `envs/setup.sh --bundle`
installs from that folder; Make does so by itself where it stands in the checkout. What
--weights names, as mmdet-flow weights get takes it, is in its folder weights/, and is
kept in the cache of whoever sets up.
"""

import argparse
import os
import platform
import re
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from mmdet_flow import __version__, cli
from mmdet_flow.errors import FlowError
from mmdet_flow.files import link_or_copy, sha256_of
from mmdet_flow.model.weights.store import get

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / ".venv/setup"
LOCKS = {
    ".venv": ("main", "dev", "notebook", "onnx", "storage"),
    ".venv-wai": ("wai-annotations",),
}
"""The locks of each environment, whose pip builds what is published as source."""

WEIGHTS = "weights"

LEGACY_GLIBC = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
"""The glibc 2.N of the platform tags that do not name it."""


def run(*command: object) -> bytes:
    """Run a command in the checkout; return what it prints, FlowError if it fails."""
    run = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True)
    if run.returncode:
        lines = run.stderr.decode(errors="replace").strip().splitlines()
        told = [line for line in lines if re.search("error|fatal", line, re.I)]
        reason = next(iter(told + lines[-1:]), "no reason")
        raise FlowError(f"{Path(str(command[0])).name} failed: {reason}")
    return run.stdout


def requirements(lock: str) -> list[str]:
    """Return the lines of a lock, without torch, whose build setup has chosen."""
    lines = (ROOT / f"envs/{lock}.txt").read_text().splitlines()
    return [line for line in lines if re.match(r"(?!torch==)\w", line)]


def collect(folder: Path) -> None:
    """Put a wheel of every package of the locks into a folder.

    mmcv is the wheel that setup compiled, and torch the build that it installed, with
    what that build requires besides the locks.
    """

    def wheels(environment: str, *options: str) -> None:
        pip = (ROOT / environment / "bin/pip", "wheel", "--quiet")
        run(*pip, "--no-build-isolation", "--wheel-dir", folder, *options)

    for environment, locks in LOCKS.items():
        pinned = [line for lock in locks for line in requirements(lock)]
        wheels(environment, "--no-deps", f"--find-links={SETUP}", *pinned)
    main_lock = f"--constraint={ROOT / 'envs/main.txt'}"
    wheels(".venv", *require_index(), main_lock, f"torch=={version('torch')}")


def collect_weights(folder: Path, sources: Iterable[str]) -> None:
    """Put weights to start from into a folder of their own, fetched if need be."""
    for source in sources:
        path = get(source)
        (folder / WEIGHTS).mkdir(exist_ok=True)
        link_or_copy(path, folder / WEIGHTS / path.name)


def least_glibc(wheel: Path) -> int:
    """Return the N of the glibc 2.N that a wheel needs, 0 if any will do.

    A platform tag tells; where there is none, as of what is compiled here, the versions
    of the functions that its libraries and programs ask for.
    """
    tags = wheel.stem.rsplit("-", 1)[1]
    tagged = [int(minor) for minor in re.findall(r"manylinux_2_(\d+)_", tags)]
    tagged += [minor for tag, minor in LEGACY_GLIBC.items() if f"{tag}_" in tags]
    if tagged or tags == "any":
        return min(tagged, default=0)
    with zipfile.ZipFile(wheel) as content:
        parts = (content.read(name) for name in content.namelist())
        asked = [int(n) for part in parts for n in re.findall(rb"GLIBC_2\.(\d+)", part)]
    return max(asked, default=0)


def describe(folder: Path) -> None:
    """Write platform.txt and SHA256SUMS for the wheels of a folder."""
    glibc = max(map(least_glibc, folder.glob("*.whl")))
    (folder / "platform.txt").write_text(f"{platform.machine()} 2.{glibc}\n")
    sums = [
        f"{sha256_of(path)}  {path.relative_to(folder)}\n" for path in files_of(folder)
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))


def files_of(bundle: Path) -> list[Path]:
    return sorted(path for path in bundle.rglob("*") if path.is_file())


def pack(bundle: Path, archive: Path, top: str) -> None:
    """Write the committed files of the checkout and the bundle, owned by nobody."""
    commit_time = int(run("git", "log", "-1", "--format=%ct"))
    archive.write_bytes(run("git", "archive", f"--prefix={top}/", "HEAD"))
    with tarfile.open(archive, "a") as tar:
        for path in files_of(bundle):
            entry = tarfile.TarInfo(f"{top}/bundle/{path.relative_to(bundle)}")
            entry.size, entry.mtime = path.stat().st_size, commit_time
            with open(path, "rb") as content:
                tar.addfile(entry, content)


def require_index() -> list[str]:
    """Return the options with which pip finds the build of torch that setup chose."""
    if (SETUP / "torch-by-uv").is_file():
        if index := os.environ.get("TORCH_INDEX"):
            return [f"--extra-index-url={index}"]
        raise FlowError(
            "TORCH_INDEX: is not set, and pip does not find the build of torch that is "
            "installed without it; name the index that has the CPU builds"
        )
    return (SETUP / "torch-index.txt").read_text().split()


def require_clean_checkout() -> None:
    if Path(os.fsdecode(run("git", "rev-parse", "--show-toplevel")).strip()) != ROOT:
        raise FlowError(f"{ROOT}: is no checkout of git; make the bundle in a clone")
    changed = os.fsdecode(run("git", "status", "--porcelain", "--untracked-files=no"))
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines()[:5])
        raise FlowError(
            f"there are changes that are not committed; commit them first: {names}"
        )


def make_bundle(output: Path, weights: Iterable[str] = ()) -> Path:
    """Write the archive into a folder and return its path."""
    require_clean_checkout()
    require_index()
    archive = output / f"mmdet-flow-bundle-{__version__}.tar"
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        bundle = Path(scratch, "bundle")
        collect(bundle)
        collect_weights(bundle, weights)
        describe(bundle)
        whole = Path(scratch, archive.name)
        pack(bundle, whole, f"mmdet-flow-{__version__}")
        whole.replace(archive)
    size = archive.stat().st_size / 1e6
    cli.log.info("%s: %.0f MB, sha256 %s", archive, size, sha256_of(archive))
    return archive


def main(argv: list[str] | None = None) -> int:
    parser = cli.new_parser("bundle", __doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="FOLDER")
    parser.add_argument("--weights", nargs="*", default=(), metavar="SOURCE")
    args: argparse.Namespace = parser.parse_args(argv)
    return cli.run(lambda _: make_bundle(args.output, args.weights), args)


if __name__ == "__main__":
    raise SystemExit(main())
