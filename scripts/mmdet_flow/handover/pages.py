"""Pages of an experiment for Snakemake's report, which shows no CSV and no JSON."""

from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.contents import ALL, TileReport, name_apart
from mmdet_flow.errors import DataError
from mmdet_flow.evaluation.metrics import METRICS
from mmdet_flow.files import read_text, write_if_changed
from mmdet_flow.handover.markdown import Code, plain, table
from mmdet_flow.handover.model_card import SHAPES, analyses, by_size, in_short, speed
from mmdet_flow.handover.provenance import provenance
from mmdet_flow.pages.render import render
from mmdet_flow.results import ResultsFolder

BOX_SIZES = {"box_sizes": "as annotated", "box_sizes_seen": "in the network"}


def data_set(run: ResultsFolder) -> str:
    """Return the counts of the splits, and the sizes of images and objects."""
    card, splits = run.data_card, run.data_card["splits"]
    classes = list(splits["train"]["objects_by_class"])
    rows = [
        (name, own["images"], own["objects"], *own["objects_by_class"].values())
        for name, own in ((name, splits[name]) for name in layout.SPLITS)
    ]
    parts = [table(("split", "images", "objects", *map(plain, classes)), rows)]
    percents = sorted(card["box_sizes"], key=lambda one: int(one.rstrip("%")))
    sizes = [
        (name, *(f"{card[key][percent]:g}" for percent in percents))
        for key, name in BOX_SIZES.items()
        if card[key]
    ]
    parts.append(
        "Percentiles of the sizes of the objects, as the square root of the box area "
        f"in pixels.\n\n{table(('', *percents), sizes)}"
    )
    images = list(card["image_sizes"].items())
    parts.append(table(("image size", "images"), images[:10]))
    if run.tiles:
        parts.append(f"## Tiles\n\n{_tiles(run.tiles)}")
    findings: dict[tuple[str, str], int] = {}
    for row in run.check_report["findings"]:
        key = row["check"], row["action"]
        findings[key] = findings.get(key, 0) + 1
    rows = [(*key, count) for key, count in sorted(findings.items())]
    found = table(("check", "action", "times"), rows) if rows else "None.\n"
    parts.append(f"## Findings of the check\n\n{found}")
    return "\n".join(parts)


def _tiles(report: TileReport) -> str:
    """Return what became of the tiles and of the objects of each split."""
    settings = ", ".join(f"{key} {one}" for key, one in report["settings"].items())
    parts = [f"Cut with {settings}.\n"]
    titles = {"tiles": "Tiles", "objects": "Objects, by what the best tile shows"}
    for what, title in titles.items():
        rows = [(name, *own[what].values()) for name, own in report["splits"].items()]
        names = next(iter(report["splits"].values()))[what]
        header = ("split", *(name.replace("_", " ") for name in names))
        parts.append(f"{title}:\n\n{table(header, rows)}")
    return "\n".join(parts)


def changes(run: ResultsFolder) -> str:
    """Return what the config of the model changes in its base."""
    rows = [
        (
            Code(one.key),
            "-" if one.before is None else Code(one.before),
            "removed" if one.after is None else Code(one.after),
        )
        for one in run.changes
    ]
    base = Code(run.base) if run.base else "its base config"
    return f"Compared with {base}.\n\n{table(('key', 'base', 'here'), rows)}"


def metrics(run: ResultsFolder) -> str:
    """Return all COCO figures by class, and those at the score thresholds."""
    parts = []
    for iou_type, values in run.metrics["metrics"].items():
        total = name_apart(ALL, values["per_class_metrics"])
        every = {total: values, **values["per_class_metrics"]}
        for names in (METRICS[:6], METRICS[6:]):
            rows = [(name, *(own[one] for one in names)) for name, own in every.items()]
            parts.append(table((f"class ({SHAPES[iou_type]})", *names), rows))
    beside = []
    if "without_tiles" in run.metrics:
        beside = [f"## With tiles and without\n\n{by_size(run)}"]
    return "\n".join(
        [in_short(run), analyses(run), *beside, "## All figures of COCO\n", *parts]
    )


def timing(run: ResultsFolder) -> str:
    """Return how long training and prediction took, as far as that was recorded."""
    rows = [
        (Code(name), own["s"], own["max_rss"]) for name, own in run.benchmarks.items()
    ]
    parts = []
    if run.estimate:
        seconds = run.estimate["seconds_per_iteration"]
        batch = run.config.train_dataloader.batch_size
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
    parts.append(f"## Precisions\n\n{speed(run)}")
    return "\n".join(parts)


def card(run: ResultsFolder) -> str:
    """Return the model card."""
    path = run.file(layout.MODEL_CARD)
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


def write_pages(run: ResultsFolder, output: Path) -> None:
    """Write all pages into the folder ``output``."""
    for name, (title, content) in PAGES.items():
        text = content(run)
        if content is not card:  # which has a heading of its own
            text = f"# {plain(run.name)}: {title.lower()}\n\n{text}"
        page = render("document.html", title=f"{run.name}: {title}", text=text)
        write_if_changed(output / layout.fill(layout.PAGE, page=name).name, page)
    cli.log.info("wrote %d pages into %s", len(PAGES), output)
