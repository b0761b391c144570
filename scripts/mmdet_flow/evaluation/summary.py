"""What an experiment made, how good it is, and where to look, in a few lines."""

from collections.abc import Iterator
from pathlib import Path

from mmdet_flow import cli, contents, layout
from mmdet_flow.columns import cells, padded
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.early_end import early_end
from mmdet_flow.evaluation.answer import HEADER, rows
from mmdet_flow.files import write_if_changed
from mmdet_flow.results import ResultsFolder
from mmdet_flow.scrub import one_line
from mmdet_flow.words import counted

MOST_CLASSES = 12
"""With more the summary would be none."""

FEW_FAILED = 3
"""Images that failed of which each is named with its reason."""

PLACES = (
    (layout.OVERVIEW, "predictions drawn on their images"),
    (layout.GALLERY, "predictions over annotations"),
    (layout.MODEL_CARD, "what the model is for, and how good it is"),
    (layout.PACKAGE, "the model in one file, to hand over"),
    (layout.DATA_CARD_PAGE, "what is in the data set"),
    (layout.OBJECTS, "a row per predicted object"),
    (layout.PREDICTED_IMAGES, "a row per image"),
    (layout.fill(layout.SHARD_OPEX, shard=0), "the objects of each image"),
    (layout.METRICS_TABLE, "all metrics, per class too"),
    (layout.ERRORS, "types of error, and their cost"),
    (layout.CHECKPOINT, "the model, for mmdet-flow predict"),
    (layout.CONFIG, "its config, as it was trained"),
    (layout.ANNOTATIONS, "the annotations as COCO"),
)
"""Files of a results folder, and what is in them."""

FILE_WIDTH = 34
"""Columns for the path of such a file."""


def summarize(folder: Path, output: Path, place: str | None = None) -> None:
    """Write the summary of the results folder of one experiment.

    ``place`` is where a reader finds that folder, if that is elsewhere.
    """
    run = ResultsFolder(folder)
    lines = [
        f"Experiment {run.name}",
        *_answers(run),
        f"  scores       {_chosen(run)}",
        *_counts(run, place or folder),
        "Where to look",
        *(
            f"  {place or folder}/{_padded_file(file, run.name)} {what}"
            for file, what in PLACES
        ),
    ]
    write_if_changed(output, "\n".join(lines) + "\n")
    cli.log.info("summarized %s", folder)


def _padded_file(file: Path, experiment: str) -> str:
    return padded(str(layout.fill(file, experiment=experiment)), FILE_WIDTH)


def _answers(run: ResultsFolder) -> Iterator[str]:
    """Yield what the model finds at the scores that it is run with, as a table."""
    every, *classes = rows(run.metrics)
    level = f", with {100 * run.metrics['intervals']['level']:g} % intervals"
    sure = level if run.metrics["intervals"]["samples"] else ""
    images = counted(run.metrics["images"], "test image")
    yield f"  At its score thresholds, on {images}{sure}:"
    shown = [HEADER, every, *classes[:MOST_CLASSES]]
    widths = [max(map(cells, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        line = "  ".join(map(padded, row, widths))
        yield f"    {line}".rstrip()
    if more := classes[MOST_CLASSES:]:
        yield f"    {counted(len(more), 'more class')} in {layout.MODEL_CARD}"


def _chosen(run: ResultsFolder) -> str:
    """Return what the scores are, and how they were chosen."""
    used, chosen = run.metrics["scores"], run.thresholds
    if chosen and chosen["scores"] and used == chosen["scores"]:
        use = chosen["use"]
        best = f"a {use} of {chosen['wanted'][use]:g}" if use != "f1" else "the best F1"
        others = ", ".join(contents.without_own(chosen))
        common = f"; {others}: not found there, that of all classes" if others else ""
        return f"chosen on the validation split, for {best} of each class{common}"
    every = " and ".join(f"{score:g}" for score in sorted(set(used.values())))
    if set(used.values()) != {DEFAULT_SCORE}:
        return f"{every}, as the config has it"
    if chosen is None:
        return f"{every}; there is no validation split to choose them by"
    if not chosen["scores"]:
        return f"{every}; the model found no object of the validation split"
    return f"{every}, as the config has it"


def _counts(run: ResultsFolder, place: Path | str) -> Iterator[str]:
    """Yield what the data, the test and the predictions are in figures."""
    data, metrics = run.check_report, run.metrics
    classes = ", ".join(f"{n} {name}" for name, n in data["objects_by_class"].items())
    yield (
        f"  data         {counted(data['images']['written'], 'image')}, "
        f"{counted(data['objects']['written'], 'object')} ({classes})"
    )
    yield from _tiles(run)
    if early := early_end(run.recipe or {}):
        yield f"  training     {early}"
    for iou_type, values in metrics["metrics"].items():
        name = {"bbox": "boxes", "segm": "masks"}[iou_type]
        whole = metrics.get("without_tiles", {}).get(iou_type)
        beside = f"; without tiles {_quality(whole)}" if whole else ""
        yield (
            f"  {name}        {_quality(values)}, on "
            f"{counted(metrics['images'], 'test image')}{beside}"
        )
    status = ", ".join(f"{n} {name}" for name, n in run.predicted.items())
    failed = run.failed_images
    why = f"; why some failed: {place}/{layout.PREDICTED_IMAGES}" if failed else ""
    yield f"  predictions  {status}{why}"
    if len(failed) <= FEW_FAILED:
        yield from (f"               {one_line(reason)}" for reason in failed)


def _quality(values: contents.Measured) -> str:
    return f"mAP {values['mAP']}, at IoU 0.5 {values['mAP_50']}"


def _tiles(run: ResultsFolder) -> Iterator[str]:
    """Yield what was learned from, where images were divided."""
    if run.tiles:
        splits = [run.tiles["splits"][name] for name in ("train", "val")]
        cut, kept = (
            sum(own["tiles"][key] for own in splits) for key in ("cut", "kept")
        )
        lost = sum(own["objects"]["cut"] + own["objects"]["left_out"] for own in splits)
        yield (
            f"  tiles        {kept} of {cut} are learned from or validated on; "
            f"{lost} objects are whole in none ({layout.TILE_FINDINGS})"
        )
