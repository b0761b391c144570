"""The page that says what a run was made from, and how, from its record."""

from mmdet_flow.handover.markdown import UNKNOWN, Code, table
from mmdet_flow.layout import SPLITS
from mmdet_flow.results import ResultsFolder
from mmdet_flow.words import counted


def provenance(run: ResultsFolder) -> str:
    """Return versions, data, outputs and jobs of a run."""
    if run.record is None:
        return f"{UNKNOWN}: mmdet-flow step record was not run.\n"
    sections = (
        ("", sources),
        ("Data", data),
        ("What was made", outputs),
        ("Jobs", jobs),
        ("Packages", packages),
    )
    parts = [
        f"## {title}\n\n{section(run)}" if title else section(run)
        for title, section in sections
    ]
    return "\n".join(parts)


def sources(run: ResultsFolder) -> str:
    """Return what ran, and where."""
    record, machine = run.record, run.jobs["machine"]
    git, training = record["workflow"]["git"], record["training"] or {}
    seeds = (f"{name} {seed}" for name, seed in record["seeds"].items())
    rows = [
        ("Workflow", f"{record['workflow']['name']} {record['workflow']['version']}"),
        ("Commit", git and Code(git["commit"])),
        ("Sources changed since", git and ("yes" if git["dirty"] else "no")),
        ("Campaign", record["campaign"]),
        (
            "Seeds",
            ", ".join(seeds),
        ),
        ("Precision of the training", training.get("precision")),
        ("Threads of the training", training.get("threads")),
        ("Processor", machine.get("processor")),
        ("Cores, memory in GB", _both(machine.get("cores"), machine.get("memory_gb"))),
        ("System", machine.get("system")),
        ("Python", record["packages"]["python"]),
    ]
    return table(("", ""), rows)


def _both(left, right) -> str | None:
    return f"{left}, {right}" if left else None


def data(run: ResultsFolder) -> str:
    """Return the hashes of the splits and of the class list."""
    splits = run.record["data"]
    rows = [
        (name, own["images"], own["objects"], *map(Code, _hashes(own)))
        for name, own in ((name, splits[name]) for name in SPLITS)
    ]
    header = ("split", "images", "objects", "SHA-256 of annotations", "of images")
    classes = run.record["classes"]["sha256"]
    parts = [f"{table(header, rows)}\nClasses: SHA-256 {Code(classes)}.\n"]
    predicted = run.record["predictions"]
    parts.append(
        f"Predicted: {counted(predicted['images'], 'image')}, of which "
        f"{predicted['failed']} failed.\n"
    )
    return "\n".join(parts)


def _hashes(split: dict) -> tuple[str, str]:
    return split["annotations_sha256"], split["images_sha256"]


def outputs(run: ResultsFolder) -> str:
    """Return size and hash of each file."""
    rows = [
        (Code(name), own["bytes"], Code(own["sha256"]))
        for name, own in run.record["outputs"].items()
    ]
    return table(("file", "bytes", "SHA-256"), rows)


def jobs(run: ResultsFolder) -> str:
    """Return time and command of each job, the first one first."""
    steps, times = run.record["steps"], run.jobs["jobs"]
    if not steps:
        return f"{UNKNOWN}: Snakemake's notes of the jobs were not there.\n"
    known = {name: times.get(name, {}) for name in steps}
    order = sorted(steps, key=lambda name: (known[name].get("started") or "", name))
    rows = [
        (
            *(Code(name), known[name].get("started"), known[name].get("seconds")),
            Code(steps[name]["command"]),
        )
        for name in order
    ]
    return table(("job", "started (UTC)", "seconds", "command"), rows)


def packages(run: ResultsFolder) -> str:
    """Return the versions of all packages."""
    found = run.record["packages"]["main"]
    return ", ".join(f"{name} {version}" for name, version in found.items()) + "\n"
