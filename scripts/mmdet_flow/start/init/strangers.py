"""Formats of annotations that are known by their looks, and not read."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD = 65_536
"""Bytes at the beginning of a file that are looked at."""

MOST = 200
"""Files of each suffix that are looked at: those of a format are alike."""


@dataclass(frozen=True)
class Stranger:
    """A format that is not read.

    Attributes:
        suffixes: of its files.
        looks: a regular expression for their beginning.
        way: how to bring them here.
    """

    name: str
    suffixes: str
    looks: str
    way: str


DATUMARO = "datumaro reads it and writes COCO"
TOOL = "export COCO from the tool that made it"

STRANGERS = (
    Stranger("COCO panoptic", ".json", r'"segments_info"', "take the instances JSON"),
    Stranger(
        "detections of COCO",
        ".json",
        r'\A\s*\[\s*\{(?=[^{}]*"image_id")[^{}]*"score"',
        "take the annotations that they belong to",
    ),
    Stranger("Supervisely", ".json", r'"classTitle"', TOOL),
    Stranger("VIA 3", ".json", r'"vid"[\s\S]*"xy"|"xy"[\s\S]*"vid"', TOOL),
    Stranger("VIA 3", ".csv", r"\A# Exported using VGG Image Annotator", TOOL),
    Stranger(
        "CVAT for video",
        ".xml",
        r"<annotations>[\s\S]*<track\b",
        "export the same task as CVAT for images 1.1, or as COCO",
    ),
    Stranger("BDD100K", ".json", r'"box2d"', "FiftyOne reads it and writes COCO"),
    Stranger("Cityscapes", ".json", r'"imgHeight"[\s\S]*"polygon"', DATUMARO),
    Stranger("GeoJSON", ".json .geojson", r'"FeatureCollection"', TOOL),
    Stranger(
        "a manifest of SageMaker Ground Truth",
        ".manifest .jsonl",
        r'"source-ref"',
        "write COCO from it",
    ),
    Stranger(
        "Open Images without boxes",
        ".csv",
        r"\AImageID,(?![^\n]*XMin)",
        "take the files of boxes, too: *-annotations-bbox.csv",
    ),
    Stranger(
        "CSV of TensorFlow",
        ".csv",
        r"\Afilename,width,height,class,",
        "rename its columns to file, x0, y0, x1, y1, label_str, and read it as roi",
    ),
    Stranger("MOT", ".txt", r"\A\d+,-?\d+(,\s*-?[\d.]+){4,}", DATUMARO),
    Stranger("KITTI", ".txt", r"\A\w+( -?[\d.]+){14,15}\s*$", DATUMARO),
    Stranger(
        "DOTA",
        ".txt",
        r"^(-?[\d.]+ ){8}[\w-]+ [012]\s*$",
        "Ultralytics writes YOLO from it",
    ),
    Stranger("TFRecord", ".tfrecord .tfrecords .record", r"", DATUMARO),
    Stranger("outlines of ImageJ", ".roi", r"\AIout", "write polygons from it"),
    Stranger("a table of Parquet", ".parquet", r"\APAR1", "write COCO from it"),
    Stranger("a pickle", ".pkl .pickle", r"", "write COCO from it"),
)
"""The first one that fits counts."""


def strangers(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the formats of files that are not read, with counts and the nearest way."""
    by_suffix: dict[str, list[Path]] = {}
    for path in paths:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    for stranger in STRANGERS:
        fitting = [
            path
            for suffix in stranger.suffixes.split()
            for path in by_suffix.get(suffix, ())[:MOST]
            if re.search(stranger.looks, _head(path), re.MULTILINE)
        ]
        if fitting:
            count = f"{len(fitting)} files" if len(fitting) > 1 else fitting[0].name
            yield f"{count} of {stranger.name}, which is not read: {stranger.way}"


def _head(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD).decode("utf-8-sig", "replace")
    except OSError:
        return ""
