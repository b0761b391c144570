"""The workflow: the plan that Snakemake makes of a config, and its profile."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from mmdet_flow.errors import UsageError
from mmdet_flow.files import read_yaml
from mmdet_flow.start.doctor.check import Check, last_line
from mmdet_flow.start.doctor.config import read_config, what_it_holds

PATIENCE = 300
"""Seconds for a dry run, which looks at the times of all files."""

HEADING = re.compile(r"\w*(Error|Exception)\b.*:$")
PROFILES = (Path.home() / ".config/snakemake", Path("/etc/xdg/snakemake"))


def checks(root: Path, config_file: Path, config: dict) -> list[Check]:
    """Return the checks of a config; ``config`` is empty if it cannot be read."""
    here = Path.cwd()
    found = [
        Check("profile", lambda: profile(here, os.environ)),
        Check("config", lambda: what_it_holds(read_config(config_file))),
    ]
    if config:
        plan = partial(dry_run, root, config_file, here)
        found.append(Check("plan", plan, slow=True))
    return found


def dry_run(root: Path, config_file: Path, here: Path) -> str:
    """Have Snakemake check the config and plan the jobs, as the user would."""
    options = ["--snakefile", str(root / "Snakefile"), "--dry-run", "--quiet", "all"]
    if config_file.absolute() != (here / "config.yaml").absolute():
        options += ["--configfile", str(config_file.absolute())]
        options.append("--replace-workflow-config")
    with without_trace(here / ".snakemake"):
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", *options],
            cwd=here,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
        )
    if run.returncode:
        raise UsageError(one_line(run.stderr + run.stdout))
    jobs = re.search(r"^total +(\d+)$", run.stdout + run.stderr, re.MULTILINE)
    return f"snakemake -n plans {jobs[1] if jobs else 'no'} jobs"


@contextlib.contextmanager
def without_trace(folder: Path) -> Iterator[None]:
    """Remove what a dry run leaves in a folder that was not there before."""
    was_there = folder.exists()
    yield
    if was_there:
        return
    (folder / "iocache/latest.pkl").unlink(missing_ok=True)
    # Only empty folders go, should another run have begun meanwhile.
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        with contextlib.suppress(OSError):
            path.rmdir()


def one_line(said: str) -> str:
    """Return the reason that Snakemake gives for not going on."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for line, following in pairwise(lines):
        if HEADING.match(line):
            return following
    errors = [line for line in lines if line.startswith("Error: ")]
    return errors[0].removeprefix("Error: ") if errors else last_line(said)


def profile(
    here: Path,
    variables: Mapping[str, str],
    places: Sequence[Path] = PROFILES,
    search: str | None = None,
) -> str:
    """Look for profiles that Snakemake would take, and stumble over."""
    if (here / "default").is_dir() and not _profile_file(here / "default"):
        raise UsageError(
            f"{here / 'default'}: Snakemake takes a folder of this name for a profile; "
            "rename it"
        )
    named = [name for name in variables.get("SNAKEMAKE_PROFILE", "").split(",") if name]
    for name in named:
        candidates = (here / name, *(place / name for place in places))
        file = next(filter(None, map(_profile_file, candidates)), None)
        if file is None:
            raise UsageError(
                f"SNAKEMAKE_PROFILE={name}: no such profile; correct or unset it"
            )
        content = read_yaml(file)
        executor = content.get("executor") if isinstance(content, dict) else None
        if executor == "slurm" and shutil.which("sbatch", path=search) is None:
            raise UsageError(
                f"SNAKEMAKE_PROFILE={name}: sends jobs to Slurm, and there is no "
                "sbatch; unset it, or run where Slurm is"
            )
    return f"SNAKEMAKE_PROFILE={','.join(named)}" if named else "that of the checkout"


def _profile_file(folder: Path) -> Path | None:
    names = ("profile.yaml", "config.yaml")
    return next((folder / name for name in names if (folder / name).is_file()), None)
