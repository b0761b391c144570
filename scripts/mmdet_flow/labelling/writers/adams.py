"""ADAMS: a report in Java's properties format beside each image."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.predictions import PredictedImage, PredictedObject
from mmdet_flow.dataset.readers.adams import SIDES, TYPE_SUFFIX
from mmdet_flow.labelling.writers.writer import AnnotationWriter, Task, Written

HEAD = "Simple report format (= Java properties file)"
PREFIX = "Object."


def write(images: Sequence[PredictedImage], task: Task) -> Iterator[Written]:
    """Yield a report for each image, of fields with their types."""
    import javaproperties

    for one in images:
        width = len(str(len(one.objects)))
        fields = {f"{PREFIX}count": len(one.objects)}
        for number, item in enumerate(one.objects, 1):
            for key, value in _fields(item).items():
                fields[f"{PREFIX}{number:0{width}}.{key}"] = value
        lines = {}
        for name, value in fields.items():
            lines[name + TYPE_SUFFIX] = "S" if isinstance(value, str) else "N"
            lines[name] = str(value)
        text = javaproperties.dumps(lines, comments=HEAD, timestamp=False)
        yield f"{Path(one.name).stem}.report", text


def _fields(item: PredictedObject) -> dict[str, object]:
    """Return whole numbers: ADAMS cuts fractions off."""
    fields: dict[str, object] = dict(zip(SIDES, map(round, item.bbox), strict=True))
    fields["type"] = item.label
    if item.score is not None:
        fields["score"] = item.score
    if item.polygons:
        values = list(map(round, item.polygons[0]))
        fields["poly_x"] = ",".join(map(str, values[::2]))
        fields["poly_y"] = ",".join(map(str, values[1::2]))
    return fields


WRITER = AnnotationWriter(write, both=True, whole=True)
