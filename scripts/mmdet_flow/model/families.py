"""Trials of the detector families of the zoo on a small drawn data set."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.default_score import DEFAULT_SCORE
from mmdet_flow.errors import ModelError
from mmdet_flow.files import read_json, write_if_changed

FAMILIES = {
    "RTMDet": "rtmdet_tiny_8xb32-300e_coco",
    "RTMDet-Ins": "rtmdet-ins_tiny_8xb32-300e_coco",
    "Faster R-CNN": "faster-rcnn_r50_fpn_1x_coco",
    "Mask R-CNN": "mask-rcnn_r50_fpn_1x_coco",
    "Cascade R-CNN": "cascade-rcnn_r50_fpn_1x_coco",
    "Cascade Mask R-CNN": "cascade-mask-rcnn_r50_fpn_1x_coco",
    "RetinaNet": "retinanet_r50_fpn_1x_coco",
    "FCOS": "fcos_r50-caffe_fpn_gn-head_1x_coco",
    "ATSS": "atss_r50_fpn_1x_coco",
    "GFL": "gfl_r50_fpn_1x_coco",
    "YOLOX": "yolox_tiny_8xb8-300e_coco",
    "YOLOv3": "yolov3_mobilenetv2_8xb24-320-300e_coco",
    "SSD": "ssd300_coco",
    "CenterNet": "centernet_r18_8xb16-crop512-140e_coco",
    "TOOD": "tood_r50_fpn_1x_coco",
    "PAA": "paa_r50_fpn_1x_coco",
    "SOLOv2": "solov2_r50_fpn_1x_coco",
    "CondInst": "condinst_r50_fpn_ms-poly-90k_coco_instance",
    "YOLACT": "yolact_r50_1xb8-55e_coco",
    "Mask2Former": "mask2former_r50_8xb2-lsj-50e_coco",
    "DETR": "detr_r50_8xb2-150e_coco",
    "Deformable DETR": "deformable-detr_r50_16xb2-50e_coco",
    "DAB-DETR": "dab-detr_r50_8xb2-50e_coco",
    "DINO": "dino-4scale_r50_8xb2-12e_coco",
    "Sparse R-CNN": "sparse-rcnn_r50_fpn_1x_coco",
}
"""A small config of each family."""

IMAGES = 24
BATCH = 2
EPOCHS = 4


@dataclass(frozen=True)
class Row:
    """What became of a config; seconds are those of an image, MB the most in use."""

    family: str
    config: str
    result: str
    train_seconds: float | None = None
    train_mb: int | None = None
    predict_seconds: float | None = None
    predict_mb: int | None = None
    engine: str = ""


def try_families(
    families: dict[str, str],
    output: Path,
    image_size: int,
    threads: int,
    keep: Path | None = None,
) -> list[Row]:
    """Try each config, and write the table as CSV and Markdown after each of them.

    Data, configs and checkpoints are left in ``keep``, if it is given.
    """
    rows = []
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _make_data(folder)
        for family, config in families.items():
            row = _try(family, config, folder, image_size, threads)
            cli.log.info("%s: %s", family, row.result)
            rows.append(row)
            write_if_changed(output.with_suffix(".csv"), _as_csv(rows))
            write_if_changed(output.with_suffix(".md"), _as_markdown(rows))
    return rows


def _make_data(folder: Path) -> None:
    source, data = folder / "source", folder / "data"
    _run("start example", "--output", source, "--images", IMAGES)
    _run(
        *("data convert", "--format", "opex", "--annotations", source),
        *("--images", source, "--output", data),
    )
    _run(
        *("data split", data / layout.ANNOTATIONS.name, "--output", folder / "splits"),
        *("--train", 0.5, "--val", 0.25, "--test", 0.25),
    )


def _try(family: str, config: str, folder: Path, image_size: int, threads: int) -> Row:
    work = folder / config
    fitted, checkpoint = work / layout.CONFIG, work / layout.CHECKPOINT
    splits, images = folder / "splits", folder / "data" / "images"
    speed, opex = (
        work / layout.fill(place, shard=0)
        for place in (layout.PREDICTION_SPEED, layout.SHARD_OPEX)
    )
    try:
        _run(
            *("model patch", config, "--output", fitted),
            *(f"--{name}={splits / name}.json" for name in ("train", "val", "test")),
            *("--images", images, "--epochs", EPOCHS, "--batch-size", BATCH),
            *("--image-size", image_size, "--val-interval", EPOCHS),
        )
        train_mb = _run(
            *("model train", fitted, "--work-dir", work / layout.TRAINING),
            *("--publish", checkpoint, "--threads", threads),
        )
        predict_mb = _run(
            *("predict", "--checkpoint", checkpoint, "--keep_input"),
            *("--prediction_in", images, "--prediction_out", opex),
            *("--threads", threads, "--score", DEFAULT_SCORE, "--speed", speed),
        )
        _require_opex(opex)
    except ModelError as error:
        return Row(family, config, str(error))
    estimate, predicted = read_json(work / layout.ESTIMATE), read_json(speed)
    return Row(
        family,
        config,
        "works",
        train_seconds=round(estimate["seconds_per_iteration"] / BATCH, 3),
        train_mb=train_mb,
        predict_seconds=round(predicted["seconds"] / predicted["images"], 3),
        predict_mb=predict_mb,
        engine=predicted["engine"].split()[0],
    )


def _run(command: str, *args) -> int:
    """Run one of our commands; return the most memory that it had, in MB.

    ModelError has what it ends with, if that is an error.
    """
    program = Path(sys.executable).parent / "mmdet-flow"
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [program, *command.split(), *map(str, args)],
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read()
    if code:
        last = (said.strip().splitlines() or [f"exit code {code}"])[-1]
        raise ModelError(last.removeprefix("error: "))
    return usage.ru_maxrss // 1024


def _require_opex(folder: Path) -> None:
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    if len(found) != IMAGES or not all("objects" in one for one in found):
        raise ModelError(f"predictions for {len(found)} of {IMAGES} images")


def _as_csv(rows: Sequence[Row]) -> str:
    stream = io.StringIO()
    names = [field.name for field in fields(Row)]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    return stream.getvalue()


def _as_markdown(rows: Sequence[Row]) -> str:
    lines = [
        "| family | config | result | training, s/image | MB | prediction, s/image "
        "| MB | with |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in asdict(row).values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
