"""Pages of an experiment for Snakemake's report, which shows no CSV and no JSON."""

from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.split import SPLITS
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.metrics import METRICS
from mmdet_flow.files import read_table, read_text, write_if_changed
from mmdet_flow.handover.facts import Facts
from mmdet_flow.handover.markdown import Code, plain, table
from mmdet_flow.handover.model_card import KINDS, analyses, speed
from mmdet_flow.handover.provenance import provenance
from mmdet_flow.pages.render import render

BOX_SIZES = {"box_sizes": "as annotated", "box_sizes_seen": "in the network"}


def data_set(facts: Facts) -> str:
    """Return the counts of the splits, and the sizes of images and objects."""
    card, splits = facts.data, facts.data["splits"]
    classes = list(splits["train"]["objects_by_class"])
    rows = [
        (name, own["images"], own["objects"], *own["objects_by_class"].values())
        for name, own in ((name, splits[name]) for name in SPLITS)
    ]
    parts = [table(("split", "images", "objects", *map(plain, classes)), rows)]
    shares = sorted(card["box_sizes"], key=lambda share: int(share.rstrip("%")))
    sizes = [
        (name, *(f"{card[key][share]:g}" for share in shares))
        for key, name in BOX_SIZES.items()
        if card[key]
    ]
    parts.append(
        "Sizes of the objects, as the square root of the box area in pixels: the share "
        f"of them that is smaller.\n\n{table(('', *shares), sizes)}"
    )
    images = list(card["image_sizes"].items())
    parts.append(table(("image size", "images"), images[:10]))
    findings: dict[tuple[str, str], int] = {}
    for row in facts.check["findings"]:
        key = row["kind"], row["action"]
        findings[key] = findings.get(key, 0) + 1
    rows = [(*key, count) for key, count in sorted(findings.items())]
    found = table(("finding", "action", "times"), rows) if rows else "None.\n"
    parts.append(f"## Findings of the check\n\n{found}")
    return "\n".join(parts)


def changes(facts: Facts) -> str:
    """Return what the config of the model changes in its base."""
    rows = []
    for key, change in facts.changes:
        if change == "removed":
            pair = "-", change
        elif change.startswith("added "):
            pair = "-", Code(change.removeprefix("added "))
        else:
            pair = tuple(map(Code, change.split(" -> ", 1)))
        rows.append((Code(key), *pair))
    base = Code(facts.base) if facts.base else "its base config"
    return f"Compared with {base}.\n\n{table(('key', 'base', 'here'), rows)}"


def metrics(facts: Facts) -> str:
    """Return all COCO figures by class, and how right the kept detections are."""
    parts = [f"On the {facts.measured['images']} images of the test split.\n"]
    for kind, values in facts.measured["metrics"].items():
        every = {"all": values, **values["per_class_metrics"]}
        for names in (METRICS[:6], METRICS[6:]):
            rows = [(name, *(own[one] for one in names)) for name, own in every.items()]
            parts.append(table((f"class ({KINDS[kind]})", *names), rows))
    return "\n".join([analyses(facts), "## All figures of COCO\n", *parts])


def timing(facts: Facts) -> str:
    """Return how long training and prediction took, as far as that was recorded."""
    rows = [
        (Code(path.stem), *_measured(path))
        for path in sorted((facts.run / "benchmarks").glob("*.tsv"))
    ]
    parts = []
    if facts.estimate:
        seconds = facts.estimate["seconds_per_iteration"]
        batch = facts.config.train_dataloader.batch_size
        parts.append(
            f"Training: {seconds:.3f} s for a batch of {batch}, "
            f"{batch / seconds:.2f} images/s, after the first iterations.\n"
        )
    header = ("job", "seconds", "largest memory, MB")
    parts.append(table(header, rows) if rows else "Jobs: n/a.\n")
    parts.append(
        "A job counts from its start to its end, loading included. One that was "
        "started again counts from its last start. Memory is looked at now and then.\n"
    )
    parts.append(f"## Precisions\n\n{speed(facts)}")
    return "\n".join(parts)


def _measured(path: Path) -> list[str]:
    """Return seconds and memory of a benchmark file of Snakemake."""
    row = read_table(path, delimiter="\t")[-1]
    return [row["s"], row["max_rss"]]


def card(facts: Facts) -> str:
    """Return the model card."""
    path = facts.run / "model" / "card.md"
    if not path.exists():
        raise DataError(f"{path}: is not there; make it with mmdet-flow handover card")
    return read_text(path)


PAGES = {
    "data_set": ("Data set", data_set),
    "changes": ("Changes of the config", changes),
    "metrics": ("Metrics on the test split", metrics),
    "speed": ("Speed", timing),
    "provenance": ("Provenance", provenance),
    "model_card": ("Model card", card),
}
"""Title and content of each page, by the name of its file."""


def write_pages(facts: Facts, output: Path) -> None:
    """Write all pages into the folder ``output``."""
    for name, (title, content) in PAGES.items():
        text = content(facts)
        if content is not card:  # which has a heading of its own
            text = f"# {plain(facts.name)}: {title.lower()}\n\n{text}"
        page = render("document.html", title=f"{facts.name}: {title}", text=text)
        write_if_changed(output / f"{name}.html", page)
    cli.log.info("wrote %d pages into %s", len(PAGES), output)
