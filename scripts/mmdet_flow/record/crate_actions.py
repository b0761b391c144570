"""The jobs of a run in an RO-Crate: actions, tools, steps and parameters."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from mmdet_flow.record.params import flat

SNAKEMAKE = "https://snakemake.github.io"
RUN = "#run"
DONE = "http://schema.org/CompletedActionStatus"

OURS = re.compile(r"\bmmdet-flow(?: [a-z]+(?=\s|$)){1,2}")
"""A command of ours in a line of shell: a group and a name, or a name by itself."""


def ref(name: str) -> dict:
    """Return a reference to an entity."""
    return {"@id": name}


def refs(names: Iterable[str]) -> list[dict] | dict:
    """Return references to entities; a single one stands without a list."""
    found = [ref(name) for name in names]
    return found[0] if len(found) == 1 else found


def whole_run(
    record: dict, times: dict[str, dict], values: list[str], results: list[str]
) -> dict:
    """Return the action that all jobs are part of."""
    return {
        **{"@id": RUN, "@type": "CreateAction", "name": f"Run of {record['name']}"},
        "description": "All jobs of the experiment together.",
        "object": refs(values),
        "result": refs(results),
        "actionStatus": DONE,
        **_span(times.values()),
    }


def actions(record: dict, times: dict[str, dict], known: set[str]) -> Iterator[dict]:
    """Yield each job with what started it, and what started them all.

    ``known`` are the files and folders that the crate has.
    """
    for name, step in record["steps"].items():
        yield {
            **{"@id": f"#job-{name}", "@type": "CreateAction", "name": name},
            "description": step["command"],
            "instrument": ref(_id_of(tool_of(step))),
            "object": _parts(step["inputs"], known),
            "result": _parts(step["outputs"], known),
            "actionStatus": DONE,
            **_span([times[name]] if name in times else []),
        }
        yield {
            **{"@id": f"#control-{name}", "@type": "ControlAction"},
            "name": f"Start of {name}",
            "instrument": ref(f"#step-{step['rule']}"),
            "object": ref(f"#job-{name}"),
        }
    if record["steps"]:
        yield {
            **{"@id": "#engine", "@type": "OrganizeAction", "name": "Snakemake"},
            "instrument": ref(SNAKEMAKE),
            "object": refs(f"#control-{name}" for name in record["steps"]),
            "result": ref(RUN),
        }


def steps_and_tools(record: dict) -> Iterator[dict]:
    """Yield each rule as a step of the workflow, and each command as its tool."""
    tools = {step["rule"]: tool_of(step) for step in record["steps"].values()}
    for position, (rule, tool) in enumerate(sorted(tools.items()), 1):
        yield {
            **{"@id": f"#step-{rule}", "@type": "HowToStep", "name": rule},
            **{"position": str(position), "workExample": ref(_id_of(tool))},
        }
    for tool in sorted(set(tools.values())):
        yield {
            **{"@id": _id_of(tool), "@type": "SoftwareApplication", "name": tool},
            "softwareVersion": record["workflow"]["version"],
        }


def parameters(config: dict) -> Iterator[dict]:
    """Yield what is set in the config: each key as a parameter, with its value."""
    for key, value in flat(config):
        yield {
            **{"@id": f"#parameter-{key}", "@type": "FormalParameter", "name": key},
            "additionalType": "PropertyValue",
            "workExample": ref(f"#value-{key}"),
        }
        yield {
            **{"@id": f"#value-{key}", "@type": "PropertyValue", "name": key},
            **{"value": value, "exampleOfWork": ref(f"#parameter-{key}")},
        }


def tool_of(step: dict) -> str:
    """Return the command that a job called, ours with the words of its name."""
    command = step["command"]
    ours = OURS.search(command)
    return ours[0] if ours else command.split()[0]


def _id_of(tool: str) -> str:
    return f"#{tool.replace(' ', '-')}"


def _parts(paths: Iterable[str], known: set[str]) -> list[dict] | dict:
    """Return references to those of the paths that the crate has."""
    names = (name for path in paths for name in (path, f"{path}/"))
    return refs(name for name in names if name in known)


def _span(times: Iterable[dict]) -> dict:
    """Return begin and end of jobs, as far as they are known."""
    known = [one for one in times if one["started"]]
    if not known:
        return {}
    start = min(one["started"] for one in known)
    return {"startTime": start, "endTime": max(map(end_of, known))}


def end_of(job: dict) -> str:
    """Return when a job ended, from its start and duration."""
    end = datetime.fromisoformat(job["started"]) + timedelta(seconds=job["seconds"])
    return end.isoformat(timespec="milliseconds")
