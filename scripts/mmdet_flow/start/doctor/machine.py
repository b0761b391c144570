"""The machine: disk, memory, processor, clock, locale and the cache."""

import locale
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.cache import VARIABLE, default_cache
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.errors import FlowError
from mmdet_flow.processor import FEATURES
from mmdet_flow.start.doctor.check import Check, Note, nearest_folder
from mmdet_flow.words import counted

GB = 1e9
SMALL_GB = {"cache": 0.5, "tmp": 0.5}
"""For converted models, of 20 to 200 MB each, and for files that come and go."""

LEAST_MEMORY_GB, GOOD_MEMORY_GB = 1.5, 4.0
"""A training of a small model took 1 GB; the rules ask a cluster for 4 GB."""

YEARS = range(2024, 2100)
SKEW = 3.0
"""Seconds that the clocks of machine and file server may differ."""

CGROUPS = ("memory.max", "memory/memory.limit_in_bytes")


def checks(root: Path, results: Path, results_gb: Callable[[], float]) -> list[Check]:
    """Return the checks; ``results_gb`` tells what the experiments may need."""
    places = {
        "results": results,
        "cache": default_cache(),
        "tmp": Path(tempfile.gettempdir()),
    }
    return [
        Check("disk", lambda: disk(places, SMALL_GB | {"results": results_gb()})),
        Check("writable", lambda: writable(places)),
        Check("memory", memory),
        Check("processor", lambda: processor(Path("/proc/cpuinfo").read_text())),
        Check("clock", lambda: clock(time.time(), newest_file(root), results)),
        Check("times", lambda: stated_time(os.environ)),
        Check("locale", lambda: text_encoding(locale.getencoding())),
    ]


def disk(places: Mapping[str, Path], needs: Mapping[str, float]) -> str:
    """Compare the free space of each place with the GB that it may take."""
    said = []
    for name, folder in places.items():
        needed = needs[name]
        free = shutil.disk_usage(nearest_folder(folder)).free / GB
        if free < needed:
            raise FlowError(
                f"{name}, {folder}: {free:.1f} GB free, and about {needed:.1f} GB are "
                "needed; make room, or move it to another disk"
            )
        said.append(f"{name} {needed:.1f} of {free:.0f}")
    return f"GB needed of those free: {', '.join(said)}"


def writable(places: Mapping[str, Path]) -> str:
    """Write a file into each place, and remove it."""
    for name, folder in places.items():
        try:
            with tempfile.TemporaryFile(dir=nearest_folder(folder)) as probe:
                probe.write(b"x")
        except OSError as error:
            more = f", or set {VARIABLE} to another folder" if name == "cache" else ""
            raise FlowError(
                f"{name}, {folder}: cannot be written: {error.strerror}; change its "
                f"permissions{more}"
            ) from None
    return ", ".join(map(str, places.values()))


def memory(
    meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")
) -> str:
    """Compare the memory that is free, and allowed, with what a training takes."""
    fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024 / GB
    for name in CGROUPS:
        limit = cgroup / name
        if limit.is_file() and (text := limit.read_text().strip()).isdecimal():
            free = min(free, int(text) / GB)
    what = f"{free:.1f} GB can be used"
    if free < LEAST_MEMORY_GB:
        raise FlowError(
            f"{what}, and a training takes {LEAST_MEMORY_GB} at least; end other "
            "programs, or take a larger machine"
        )
    if free < GOOD_MEMORY_GB:
        return Note(f"{what}; keep to image_size 320 and batch_size 4, or smaller ones")
    return what


def processor(cpuinfo: str) -> str:
    """Say what the processor has, of what makes networks fast."""
    flags: set[str] = set()
    for line in cpuinfo.splitlines():
        if line.startswith(("flags", "Features")):
            flags = set(line.split(":", 1)[1].split())
            break
    has = [name for flag, name in FEATURES.items() if flag in flags]
    what = (
        f"{counted(cli.available_threads(), 'CPU')} with {', '.join(has) or 'no AVX2'}"
    )
    if "avx2" not in flags:
        return Note(f"{what}; training and prediction will be several times slower")
    return what


def newest_file(root: Path) -> float:
    """Return when the newest source file was written, in seconds since 1970."""
    found = [root / "Snakefile", *root.glob("*.*")]
    for folder in ("rules", "scripts", "envs", "presets"):
        found += (root / folder).rglob("*.*")
    return max(path.stat().st_mtime for path in found if path.is_file())


def clock(now: float, newest: float, results: Path) -> str:
    """Refuse a clock that Snakemake, which compares times of files, cannot use."""
    said = datetime.fromtimestamp(now).isoformat(" ", "minutes")
    if now + SKEW < newest:
        when = datetime.fromtimestamp(newest).isoformat(" ", "minutes")
        raise FlowError(
            f"it is {said}, before the newest file of the checkout ({when}); set the "
            "clock, or touch that file"
        )
    if datetime.fromtimestamp(now).year not in YEARS:
        raise FlowError(f"it is {said}; set the clock")
    with tempfile.TemporaryFile(dir=nearest_folder(results)) as probe:
        begin = time.time()
        probe.write(b"x")
        probe.flush()
        skew = os.fstat(probe.fileno()).st_mtime - begin
    if abs(skew) > SKEW:
        return Note(
            f"the disk of the results is {skew:+.0f} s away from this clock; Snakemake "
            "may repeat steps"
        )
    return said


def stated_time(variables: Mapping[str, str]) -> str:
    """Check the time that stands in for the clock in what is written."""
    epoch = source_date_epoch(variables)
    if epoch is None:
        return "SOURCE_DATE_EPOCH is not set"
    return f"SOURCE_DATE_EPOCH={epoch} stands in for the clock"


def text_encoding(encoding: str) -> str:
    """Refuse a locale in which file names and class names would be misread."""
    if encoding.lower().replace("-", "") != "utf8":
        raise FlowError(f"the locale is for {encoding}; set LC_ALL=C.UTF-8")
    return encoding
