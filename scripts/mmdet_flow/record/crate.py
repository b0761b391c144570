"""A results folder as a Workflow Run RO-Crate: JSON-LD that other tools read.

It conforms to RO-Crate 1.1 with the profiles Process, Workflow and Provenance Run Crate
0.5 and Workflow RO-Crate 1.0. The main entity is the Snakefile, of which the folder
``source`` has a copy with all rules.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from mmdet_flow import ROOT, layout
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.files import write_if_changed
from mmdet_flow.record.crate_actions import (
    RUN,
    SNAKEMAKE,
    actions,
    parameters,
    ref,
    refs,
    steps_and_tools,
    whole_run,
)
from mmdet_flow.results import ResultsFolder

WORKFLOW = str(layout.SOURCES / "Snakefile")

CRATE = "https://w3id.org/ro/crate/1.1"
CONTEXT = [
    f"{CRATE}/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
]
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
LICENSE = "https://spdx.org/licenses/Apache-2.0"
TERMS = "#terms"

FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".png": "image/png",
    ".py": "text/x-python",
    ".smk": "text/plain",
    ".txt": "text/plain",
    ".zip": "application/zip",
}
BINARY = "application/octet-stream"


def write_sources(run: ResultsFolder) -> None:
    """Put a copy of the Snakefile and its rules into the folder of a run."""
    for path in (ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))):
        target = run.file(layout.SOURCES) / path.relative_to(ROOT)
        write_if_changed(target, path.read_bytes())


def make_crate(run: ResultsFolder, record: dict, times: dict[str, dict]) -> dict:
    """Return the crate of a run, from its record and the times of its jobs.

    With SOURCE_DATE_EPOCH it has no other time than that.
    """
    epoch = source_date_epoch()
    if epoch is not None:
        times = {}
    made = list(_made(run, record))
    sources = list(_sources(run))
    values = list(parameters(record["config"] or {}))
    tools = list(steps_and_tools(record))
    done = list(actions(record, times, set(_ids(made))))
    inputs = list(_ids(values, "PropertyValue"))
    whole = whole_run(record, times, inputs, list(_ids(made)))
    graph = [
        _descriptor(),
        _root(record, _published(run, record, epoch), [*sources, *made], done),
        _workflow(record, values, tools),
        {**whole, "instrument": ref(WORKFLOW)},
        *_named(record),
        *tools,
        *done,
        *sources,
        *made,
        *values,
    ]
    return {"@context": CONTEXT, "@graph": graph}


def _ids(entities: Iterable[dict], only: str | None = None) -> Iterator[str]:
    """Yield the names of entities, or of those of one type."""
    return (one["@id"] for one in entities if only in (None, one["@type"]))


def _descriptor() -> dict:
    return {
        **{"@id": str(layout.CRATE), "@type": "CreativeWork"},
        "about": ref("./"),
        "conformsTo": refs([CRATE, WORKFLOW_CRATE]),
    }


def _root(record: dict, published: str, parts: list[dict], done: list[dict]) -> dict:
    name = record["name"]
    return {
        **{"@id": "./", "@type": "Dataset"},
        "name": f"{name}: a trained model, its evaluation and its predictions",
        "description": (
            f"The experiment {name} of mmdet-flow: annotated images, a model trained "
            "with MMDetection on CPU, how good it is, and its predictions."
        ),
        "datePublished": published,
        "license": ref(TERMS),
        "conformsTo": refs(PROFILES),
        "mainEntity": ref(WORKFLOW),
        "hasPart": refs([WORKFLOW, *_ids(parts)]),
        "mentions": refs([RUN, *_ids(done, "CreateAction")]),
    }


def _workflow(record: dict, values: list[dict], tools: list[dict]) -> dict:
    about, git = record["workflow"], record["workflow"]["git"]
    return {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        **{"name": about["name"], "version": about["version"]},
        **({"identifier": git["commit"]} if git and not git["dirty"] else {}),
        "conformsTo": ref(BIOSCHEMAS),
        "license": ref(LICENSE),
        "programmingLanguage": ref(LANGUAGE),
        "encodingFormat": "text/plain",
        "input": refs(_ids(values, "FormalParameter")),
        "hasPart": refs(_ids(tools, "SoftwareApplication")),
        "step": refs(_ids(tools, "HowToStep")),
    }


def _named(record: dict) -> Iterator[dict]:
    """Yield what others refer to: profiles, terms, language and engine."""
    for profile, (name, version) in PROFILES.items():
        about = {"name": name, "version": version}
        yield {"@id": profile, "@type": "CreativeWork", **about}
    yield {
        **{"@id": TERMS, "@type": "CreativeWork", "name": "Terms of data and model"},
        "description": (
            "Not stated by the run: whoever publishes it is to name the terms of the "
            "images, the annotations and the model."
        ),
    }
    about = {"name": "Apache License 2.0", "url": ref(LICENSE)}
    yield {"@id": LICENSE, "@type": "CreativeWork", **about}
    about = {"name": "Snakemake", "url": ref(SNAKEMAKE)}
    yield {
        **{"@id": LANGUAGE, "@type": "ComputerLanguage", **about},
        "identifier": ref(SNAKEMAKE),
    }
    yield {
        **{"@id": SNAKEMAKE, "@type": "SoftwareApplication", **about},
        "softwareVersion": record["packages"]["main"].get("snakemake", "n/a"),
    }


def _made(run: ResultsFolder, record: dict) -> Iterator[dict]:
    """Yield the files that the run made, and folders of many files."""
    for name, about in record["outputs"].items():
        yield _file(name, about["bytes"]) | {"sha256": about["sha256"]}
    made = {name for step in record["steps"].values() for name in step["outputs"]}
    for name in sorted(made):
        if (run.path / name).is_dir():
            yield {"@id": f"{name}/", "@type": "Dataset", "name": name}


def _sources(run: ResultsFolder) -> Iterator[dict]:
    rules = sorted(run.file(layout.SOURCES).rglob("*.smk"))
    for path in (run.file(layout.RECORD), *rules):
        yield _file(path.relative_to(run.path).as_posix(), path.stat().st_size)


def _file(name: str, size: int) -> dict:
    return {
        **{"@id": name, "@type": "File", "name": name, "contentSize": str(size)},
        "encodingFormat": FORMATS.get(Path(name).suffix, BINARY),
    }


def _published(run: ResultsFolder, record: dict, epoch: int | None) -> str:
    """Return SOURCE_DATE_EPOCH, or when the last file was made."""
    if epoch is None:
        epoch = int(
            max((run.path / name).stat().st_mtime for name in record["outputs"])
        )
    return datetime.fromtimestamp(epoch, UTC).isoformat()
