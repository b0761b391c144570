"""podman with a store of its own, which builds the images as `make image` does.

Layers and wheels stay in build/image for the next run. Where there is no registry, a
debootstrap of Debian takes the place of the published image to start from.
"""

import ast
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import BIN, ROOT

STORE = ROOT / "build/image"
HOME = STORE / "home"
"""What stands for /root while the image is built, so that nothing of it stays there."""

PODMAN = (
    *("podman", f"--root={STORE / 'storage'}", f"--runroot={STORE / 'run'}"),
    "--runtime=runc",
)
BASE = "debian:bookworm-slim"
IMAGE = "mmdet-flow:test"
SMALL = "mmdet-flow-predict:test"
"""The image that predicts without torch."""

SOURCE = "https://example.org/mmdet-flow"
PROGRAMS = ("podman", "runc", "debootstrap", "docker-registry")


def why_not() -> str | None:
    """Return why no image can be built here, or None."""
    if os.geteuid() != 0:
        return "an image of its own to start from takes root"
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    return (
        f"not installed: {', '.join(missing)}; make test-image does"
        if missing
        else None
    )


def podman(*arguments: object, check: bool = True) -> subprocess.CompletedProcess:
    """Run podman; what it prints is text."""
    run = subprocess.run(
        [*PODMAN, *map(str, arguments)], capture_output=True, text=True, timeout=1800
    )
    assert not check or run.returncode == 0, run.stderr[-3000:]
    return run


def import_base() -> None:
    """Make the image to start from, where there is none."""
    if podman("image", "exists", BASE, check=False).returncode == 0:
        return
    with tempfile.TemporaryDirectory(dir=STORE) as folder:
        command = ("debootstrap", "--variant=minbase", "bookworm", folder)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        archive = Path(folder, "base.tar")
        left_out = ("base.tar", "var/cache/apt/*", "var/lib/apt/lists/*")
        options = [f"--exclude=./{pattern}" for pattern in left_out]
        tar = ("tar", "-C", folder, *options, "-cf", archive, ".")
        subprocess.run(tar, check=True)
        podman("import", archive, BASE)


def pip_as_here() -> list[str]:
    """Let pip in the build look where pip of this machine does; return the mounts."""
    listed = subprocess.run(
        (BIN / "pip", "config", "list"), check=True, capture_output=True, text=True
    ).stdout
    mounts, settings = {}, {}
    shutil.rmtree(HOME / "pip", ignore_errors=True)  # of the last time

    def inside(word: str) -> str:
        """Return what a path of this machine is called in the build."""
        scheme = "file://" if word.startswith("file://") else ""
        path = Path(word.removeprefix(scheme))
        if not (path.is_absolute() and path.exists()):
            return word
        # An index has its files beside it.
        mounted, rest = (path.parent, f"/{path.name}") if scheme else (path, "")
        return scheme + mounts.setdefault(mounted, f"/root/pip/{len(mounts)}") + rest

    for line in listed.splitlines():
        name, value = line.split("=", 1)
        words = ast.literal_eval(value).split()
        settings[name.rsplit(".", 1)[1]] = " ".join(map(inside, words))
    conf = HOME / ".config/pip/pip.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    conf.write_text("[global]\n" + "".join(lines))
    options = [f"--volume={path}:{place}:ro" for path, place in mounts.items()]
    return [f"--volume={HOME}:/root", *options]


def build(target: str = "image") -> None:
    """Make an image as a user does, without a registry and without a daemon."""
    STORE.mkdir(parents=True, exist_ok=True)
    import_base()
    options = ("--isolation=chroot", "--pull=never", "--network=host", *pip_as_here())
    variables = {
        "ENGINE": " ".join(PODMAN),
        "IMAGE": IMAGE,
        "PREDICT_IMAGE": SMALL,
        "SOURCE": SOURCE,
        "BUILD_OPTIONS": " ".join(options),
    }
    assignments = [f"{name}={value}" for name, value in variables.items()]
    subprocess.run(("make", target, *assignments), cwd=ROOT, check=True)


def run(*command: object, options=(), check: bool = True, image: str = IMAGE):
    """Run a command in an image: as nobody it knows, read-only, without a network."""
    limits = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
    # Podman would give the user a name and a home, Docker does not.
    user = ("--user=1234:1234", "--passwd=false", "--read-only", "--network=none")
    words = ("run", "--rm", *limits, *user, *options, image, *command)
    return podman(*words, check=check)
