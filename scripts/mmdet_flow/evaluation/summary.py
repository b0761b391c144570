"""What an experiment made, how good it is, and where to look, in a few lines."""

from collections import Counter
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.files import read_json, write_if_changed
from mmdet_flow.formats.tables import column

PLACES = (
    ("predictions/overview.png", "predictions drawn on their images"),
    ("evaluation/gallery.html", "predictions over annotations"),
    ("model/card.md", "what the model is for, and how good it is"),
    ("model/{name}.zip", "the model in one file, to hand over"),
    ("card/card.html", "what is in the data set"),
    ("predictions/objects.csv", "a row per predicted object"),
    ("predictions/images.csv", "a row per image"),
    ("predictions/shard-0/opex/", "the objects of each image"),
    ("evaluation/metrics.csv", "all metrics, per class too"),
    ("evaluation/errors.csv", "kinds of error, and their cost"),
    ("model/checkpoint.pth", "the model, for mmdet-flow predict"),
    ("model/config.py", "its config, as it was trained"),
    ("dataset/annotations.json", "the annotations as COCO"),
)
"""Files of a results folder, and what is in them."""


def summarize(folder: Path, output: Path, place: str | None = None) -> None:
    """Write the summary of the results folder of one experiment.

    ``place`` is where a reader finds that folder, if that is elsewhere.
    """
    dataset = read_json(folder / "dataset" / "report.json")
    measured = read_json(folder / "evaluation" / "metrics.json")
    status = Counter(column(folder / "predictions" / "images.csv", "status"))
    classes = ", ".join(
        f"{n} {name}" for name, n in dataset["objects_by_class"].items()
    )
    lines = [
        f"Experiment {folder.name}",
        f"  data         {dataset['images']['written']} images, "
        f"{dataset['objects']['written']} objects ({classes})",
    ]
    for kind, values in measured["metrics"].items():
        name = {"bbox": "boxes", "segm": "masks"}[kind]
        lines.append(
            f"  {name}        mAP {values['mAP']}, at IoU 0.5 {values['mAP_50']}, on "
            f"{measured['images']} test images"
        )
    lines += [
        "  predictions  " + ", ".join(f"{n} {name}" for name, n in status.items()),
        "Where to look",
        *(
            f"  {place or folder}/{path.format(name=folder.name):<34} {what}"
            for path, what in PLACES
        ),
    ]
    write_if_changed(output, "\n".join(lines) + "\n")
    cli.log.info("summarized %s", folder)
