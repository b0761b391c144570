"""The jobs of a run, as Snakemake wrote them down: commands and times.

Snakemake keeps a file for each output of a job; its name is the path of the output in
base64. Of what was made by hand, or before that folder was removed, nothing is known.
"""

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

COPIES, STORED = ".snakemake/storage/s3/", "s3://"
"""Where Snakemake keeps local copies of what is stored elsewhere, under its URL."""

NAME_MAX = 254
"""A longer name is divided; all parts but the last are folders."""


@dataclass(frozen=True)
class Job:
    """A job that made one or more of the files of a run.

    Attributes:
        name: that of its log: the rule, and what tells the job from others of the rule.
        started, ended: seconds since 1970.
        outputs: those that were asked for.
    """

    name: str
    rule: str
    command: str
    inputs: list[str]
    outputs: list[str]
    started: float
    ended: float


def find_jobs(outputs: Iterable[Path], snakemake: Path) -> list[Job]:
    """Return the jobs that made these files, by name.

    ``snakemake`` is the folder .snakemake of the working directory, where the paths of
    all files begin.
    """
    jobs: dict[str, Job] = {}
    for output in outputs:
        path = os.path.relpath(output, snakemake.parent)
        content = _read(snakemake / "metadata", as_noted(path))
        if not (content and content.get("shellcmd") and content.get("log")):
            continue
        name = Path(content["log"][0]).stem
        if name not in jobs:
            command = " ".join(content["shellcmd"].split()).replace(COPIES, STORED)
            inputs = sorted(set(map(as_copied, content["input"])))
            times = content["starttime"], content["endtime"]
            jobs[name] = Job(name, content["rule"], command, inputs, [], *times)
        jobs[name].outputs.append(path)
    return sorted(jobs.values(), key=lambda job: job.name)


def as_noted(path: str) -> str:
    """Return the name that Snakemake has for a file: for a local copy, the URL."""
    return STORED + path.removeprefix(COPIES) if path.startswith(COPIES) else path


def as_copied(name: str) -> str:
    """Return the path of a file that Snakemake names: for a URL, of the local copy."""
    return COPIES + name.removeprefix(STORED) if name.startswith(STORED) else name


def _read(folder: Path, output: str) -> dict | None:
    name = urlsafe_b64encode(output.encode()).decode()
    parts = [name[at : at + NAME_MAX] for at in range(0, len(name), NAME_MAX)]
    path = folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def times(
    jobs: Iterable[Job], benchmarks: Mapping[str, dict[str, str]]
) -> dict[str, dict]:
    """Return start, duration and largest memory of each job, as far as known."""
    known = {job.name: _times(job) for job in jobs}
    for name, row in benchmarks.items():
        own = known.setdefault(name, {"started": None, "seconds": float(row["s"])})
        memory = row["max_rss"]
        own["max_rss_mb"] = None if memory in ("-", "NA") else float(memory)
    return known


def _times(job: Job) -> dict:
    started = datetime.fromtimestamp(job.started, UTC)
    return {
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(job.ended - job.started, 2),
    }
