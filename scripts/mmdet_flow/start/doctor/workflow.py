"""The config: what Snakemake says to it, its profile, and the data that it names."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import prod
from pathlib import Path

from mmdet_flow.dataset.annotations import ImageIndex, Source
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.start.doctor.check import Check, Note, last_line
from mmdet_flow.start.survey import kinds, survey

EXAMPLE = "data/example"
"""The folder that the workflow itself draws."""

LIMIT = 5000
"""Annotated images after which counting ends."""

EXPERIMENT_GB = 1.0
"""Two states, the best and the published weights of a training, and predictions."""

PATIENCE = 300
"""Seconds for a dry run, which looks at the times of all files."""

HEADING = re.compile(r"\w*(Error|Exception)\b.*:$")
PROFILES = (Path.home() / ".config/snakemake", Path("/etc/xdg/snakemake"))


def checks(root: Path, config_file: Path, config: dict) -> list[Check]:
    """Return the checks of a config, which ``config_file`` holds."""
    here = Path.cwd()
    found = [
        Check("profile", lambda: profile(here, os.environ)),
        Check("config", lambda: what_it_holds(read_config(config_file))),
    ]
    if config:
        found.append(
            Check("plan", partial(dry_run, root, config_file, here), slow=True)
        )
    for place, data in data_sections(config):
        found.append(Check("folders", partial(folders, place, data)))
        if local(data) and data["format"] in FORMATS:
            found.append(Check("annotations", partial(count, place, data), slow=True))
    return found


def read_config(path: Path) -> dict:
    """Read a config; UsageError with the line where it is no YAML."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}; mmdet_init FOLDER writes one for your data"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1
        raise UsageError(f"{path}, line {line}: {error.problem}; mend it") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no YAML: {error}; mend it") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds no keys; mmdet_init FOLDER writes a config")
    return content


def what_it_holds(config: dict) -> str:
    """Say how many experiments a config has, and of which names."""
    names = [*section(config, "experiments"), *section(config, "campaigns")]
    return f"{experiments(config)} to run, of {', '.join(map(str, names))}"


def dry_run(root: Path, config_file: Path, here: Path) -> str:
    """Have Snakemake check the config and plan the jobs, as the user would."""
    options = ["--snakefile", str(root / "Snakefile"), "--dry-run", "--quiet", "all"]
    if config_file.absolute() != (here / "config.yaml").absolute():
        options += ["--configfile", str(config_file.absolute())]
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
    here: Path, variables: Mapping[str, str], places: Sequence[Path] = PROFILES
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
    return f"SNAKEMAKE_PROFILE={','.join(named)}" if named else "that of the checkout"


def _profile_file(folder: Path) -> Path | None:
    names = ("profile.yaml", "config.yaml")
    return next((folder / name for name in names if (folder / name).is_file()), None)


def data_sections(config: dict, place: str = "") -> Iterator[tuple[str, dict]]:
    """Yield each data section, with its place, that names annotations and images."""
    for key, value in config.items():
        if not isinstance(value, dict):
            continue
        here = f"{place}.{key}" if place else str(key)
        if key == "data" and {"format", "annotations", "images"} <= value.keys():
            yield here, value
        yield from data_sections(value, here)


def local(data: dict) -> bool:
    """Whether the folders of a data section are there, on this machine."""
    return all(Path(str(data[key])).exists() for key in ("annotations", "images"))


def folders(place: str, data: dict) -> str:
    """Look whether the folders of a data section are there and can be read."""
    for key in ("annotations", "images"):
        folder = str(data[key])
        if "://" in folder:
            return Note(
                f"{place}: {folder} is on remote storage, and was not looked at"
            )
        if folder == EXAMPLE and not Path(folder).exists():
            return f"{place}: the workflow draws {EXAMPLE}"
        if not Path(folder).exists():
            raise DataError(f"{place}.{key}: there is no {folder}; correct the path")
        if not os.access(folder, os.R_OK | (os.X_OK if Path(folder).is_dir() else 0)):
            raise DataError(f"{place}.{key}: {folder} cannot be read; permit it")
    return f"{place}: {data['annotations']} and {data['images']}"


def count(place: str, data: dict) -> str:
    """Count images, annotations and objects of a data section, up to a limit."""
    index = ImageIndex(Path(data["images"]))
    labels = Path(data["labels"]) if data.get("labels") else None
    source = Source(
        Path(data["annotations"]), Path(data["images"]), data.get("glob"), labels
    )
    found = survey(data["format"], source, index, LIMIT)
    said = (
        f"{place}: {len(index.paths)} images, {len(found.images)} annotated with "
        f"{len(found.objects)} objects of {len(found.classes)} classes"
    )
    if not found.images:
        reason = kinds(found.problems) or f"no annotations in {data['format']}"
        raise DataError(f"{said}: {reason}; correct format, folders or glob")
    if len(found.images) + len(found.problems) >= LIMIT:
        said += f"; counted up to {LIMIT}"
    if found.problems:
        return Note(f"{said}; {kinds(found.problems)}: mmdet_check lists them")
    return said


def needed_gb(config: dict) -> float:
    """Return the GB that results may take: copies of the images, and each training."""
    images = {str(data["images"]) for _, data in data_sections(config)}
    paths = {
        path
        for folder in images
        if Path(folder).is_dir()
        for path in ImageIndex(Path(folder)).paths
    }
    bytes_of_images = sum(path.stat().st_size for path in paths)
    return bytes_of_images / 1e9 + EXPERIMENT_GB * max(1, experiments(config))


def experiments(config: dict) -> int:
    """Return how many experiments a config has, with those of its campaigns."""
    total = len(section(config, "experiments"))
    for name in section(config, "campaigns"):
        campaign = section(section(config, "campaigns"), name)
        axes = [len(axis) for axis in section(campaign, "grid").values()]
        total += (prod(axes) if axes else 0) + len(section(campaign, "variants"))
    return total


def section(config: dict, key: str) -> dict:
    """Return a section of a config that may be left out, or be wrong."""
    found = config.get(key)
    return found if isinstance(found, dict) else {}
