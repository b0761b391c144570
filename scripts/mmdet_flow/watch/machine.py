"""How much this machine has to do."""

import os
import shutil
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.words import counted

GIB = 1 << 30
MEMORY = Path("/proc/meminfo")


def load_of(folder: Path) -> list[tuple[str, str]]:
    """Return names and values: processors, memory, and the disk of a folder."""
    return [*_processors(), *_memory(), *_disk(folder)]


def _processors():
    cpus = cli.available_threads()
    try:
        one, five, fifteen = os.getloadavg()
    except OSError:
        return
    yield (
        "load",
        f"{one:.1f} now, {five:.1f} in 5 minutes, {fifteen:.1f} in 15; "
        f"{counted(cpus, 'processor')}",
    )


def _memory():
    try:
        lines = MEMORY.read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in map(_parts, lines)}
        total, free = kib["MemTotal"] / 2**20, kib["MemAvailable"] / 2**20
    except (OSError, LookupError, ValueError):
        return
    yield "memory", f"{free:.1f} of {total:.1f} GiB are free"


def _parts(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _disk(folder: Path):
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return
    yield "disk", f"{usage.free / GIB:.1f} of {usage.total / GIB:.1f} GiB are free"
