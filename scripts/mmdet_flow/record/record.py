"""The record of a run: what it was made from, how, and what it made.

Secrets, and names of machine and user, are in none of its three files.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.errors import DataError
from mmdet_flow.files import sha256_of, write_json
from mmdet_flow.record.crate import make_crate, write_sources
from mmdet_flow.record.jobs import Job, find_jobs, times
from mmdet_flow.record.machine import machine, packages, workflow
from mmdet_flow.results import ResultsFolder
from mmdet_flow.scrub import Scrubber

FOLDERS = (
    *("dataset", "splits", "tiles", "card", "model", "evaluation", "predictions"),
)
OTHERS = (layout.SUMMARY, layout.TRAINING_LINES, layout.RECIPE)
"""What is recorded with its hash: the files of these folders, and these files."""

PARTS = (
    *(layout.IMAGES, layout.TILE_IMAGES),
    *(layout.LISTS, layout.SHARD_OPEX, layout.SHARD_IMAGES),
)
"""Folders of many files, which jobs make as a whole; and what tells of each shard."""


def write_record(
    run: ResultsFolder,
    config: dict | None = None,
    campaign: str | None = None,
    number: int | None = None,
    snakemake: Path = Path(".snakemake"),
) -> None:
    """Write the three files.

    ``config`` is the experiment's section of the config, None if it is not known, and
    ``number`` which round of labelling it is, in a campaign that has some.
    Raises DataError when the run is not finished.
    """
    outputs = output_files(run)
    parts = [path for place in PARTS for path in run.files(place)]
    jobs = find_jobs([*outputs, *parts], snakemake)
    scrub = Scrubber(snakemake.resolve().parent)
    content = {
        "name": run.name,
        "campaign": campaign,
        "round": number,
        "workflow": workflow(),
        "config": config,
        "seeds": seeds(config),
        **made_from(run),
        "predictions": {
            "images": run.predicted.total(),
            "failed": run.predicted["failed"],
        },
        "outputs": {
            path.relative_to(run.path).as_posix(): {
                "sha256": sha256_of(path),
                "bytes": path.stat().st_size,
            }
            for path in outputs
        },
        "steps": {job.name: _step(job, run.path, snakemake) for job in jobs},
        "packages": packages(),
    }
    content = scrub(content)
    measured = {"machine": machine(), "jobs": times(jobs, run.benchmarks)}
    file = run.file(layout.RECORD)
    write_json(file, content)
    write_json(run.file(layout.JOBS), measured)
    write_sources(run)
    write_json(run.file(layout.CRATE), make_crate(run, content, measured["jobs"]))
    cli.log.info("wrote %s, SHA-256 %s", file, sha256_of(file))


def output_files(run: ResultsFolder) -> list[Path]:
    """Return the files that the run made, those of other records aside."""
    found = [path for name in FOLDERS for path in (run.path / name).glob("*")]
    found += map(run.file, OTHERS)
    return sorted(
        path for path in found if path.is_file() and not path.name.startswith(".")
    )


def made_from(run: ResultsFolder) -> dict:
    """Return what is known of classes, data and training."""
    classes = run.split("test").classes
    return {
        "classes": {"names": list(classes), "sha256": classes_sha256(classes)},
        "data": {name: _split(run, name) for name in layout.SPLITS},
        "training": _training(run.recipe),
    }


def _split(run: ResultsFolder, name: str) -> dict:
    coco = run.split(name)
    return {
        "images": len(coco.images),
        "objects": len(coco.annotations),
        "annotations_sha256": sha256_of(coco.path),
        "images_sha256": images_sha256(
            run.file(layout.IMAGES), (image["file_name"] for image in coco.images)
        ),
    }


def images_sha256(folder: Path, names: Iterable[str]) -> str:
    """Hash what ``sha256sum`` would print of these images, in the order of the names.

    Raises DataError where an image is missing.
    """
    names = sorted(names)
    try:
        with ThreadPoolExecutor(cli.available_threads()) as pool:
            hashes = pool.map(lambda name: sha256_of(folder / name), names)
            both = zip(hashes, names, strict=True)
            lines = "".join(f"{one}  {name}\n" for one, name in both)
    except DataError as error:
        raise DataError(f"{error}, or make the data set again") from None
    return hashlib.sha256(lines.encode()).hexdigest()


def _training(recipe: dict | None) -> dict | None:
    """Return what the weights were trained with, and no place of this machine."""
    if recipe is None:
        return None
    known = {key: value for key, value in recipe.items() if key != "load_from"}
    return {**known, "first_weights": _first_weights(recipe.get("load_from"))}


def _first_weights(path: str | None) -> dict | None:
    if path is None:
        return None
    file = Path(path)
    return {"name": file.name, "sha256": sha256_of(file) if file.is_file() else None}


def seeds(config: dict | None) -> dict[str, int | None]:
    """Return the seed of each section that has one; a section may be null."""
    sections = (config or {}).items()
    return {name: own["seed"] for name, own in sections if own and "seed" in own}


def _step(job: Job, run: Path, snakemake: Path) -> dict:
    """Return what a job did; of its inputs and outputs, those in the run's folder."""
    home = run.resolve()
    base = snakemake.resolve().parent

    def inside(paths: Iterable[str]) -> list[str]:
        whole = (base / path for path in paths)
        return sorted(
            path.relative_to(home).as_posix()
            for path in whole
            if path.is_relative_to(home)
        )

    return {
        "rule": job.rule,
        "command": job.command,
        "inputs": inside(job.inputs),
        "outputs": inside(job.outputs),
    }
