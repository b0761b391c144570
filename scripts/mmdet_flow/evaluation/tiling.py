"""A model on whole images and on their tiles, side by side."""

import time
from collections.abc import Sequence
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.evaluation.detect import detect
from mmdet_flow.evaluation.metrics import measure
from mmdet_flow.formats.tables import write_table
from mmdet_flow.tiles import Tiles

FIGURES = ("mAP", "mAP_50", "mAP_small", "mAP_medium", "mAP_large")
HEADER = ("tiles", *FIGURES, "seconds_per_image")


def compare_tiles(
    checkpoint: Path,
    config: Path | None,
    truth: CocoFile,
    images: Path,
    *,
    threads: int,
    tilings: Sequence[Tiles],
    output: Path,
) -> list[dict]:
    """Measure a model without tiles and with each kind of them; write a row for each.

    The figures are COCO's on whole images, of masks where model and truth have them.
    ``seconds_per_image`` is the time of loading, reading and predicting, divided by the
    images. Returns the rows.
    """
    rows = []
    for tiles in (None, *tilings):
        begin = time.monotonic()
        found = detect(checkpoint, config, truth, images, threads=threads, tiles=tiles)
        seconds = (time.monotonic() - begin) / len(truth.images)
        values = measure(truth, found.rows, found.iou_types(truth)[-1])
        row = {"tiles": str(tiles or "none")} | {key: values[key] for key in FIGURES}
        rows.append(row | {"seconds_per_image": round(seconds, 3)})
        cli.log.info(
            "%s: mAP %s, %s s an image",
            row["tiles"],
            row["mAP"],
            rows[-1]["seconds_per_image"],
        )
    write_table(output, HEADER, ([row[key] for key in HEADER] for row in rows))
    return rows
