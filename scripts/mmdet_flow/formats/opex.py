"""OPEX JSON, with fast-opex."""

import json
from collections.abc import Sequence
from datetime import datetime, timezone

from mmdet_flow.clock import source_date_epoch
from mmdet_flow.formats.objects import PixelObject


def timestamp() -> str:
    """Return the time as OPEX writes it; SOURCE_DATE_EPOCH stands in for the clock."""
    epoch = source_date_epoch()
    now = datetime.now()
    if epoch is not None:
        now = datetime.fromtimestamp(epoch, timezone.utc)  # noqa: UP017  not in 3.10
    return now.strftime("%Y%m%d_%H%M%S.%f")


def to_opex(
    image_id: str, objects: Sequence[PixelObject], meta: dict[str, str], time: str
) -> str:
    """Return the predictions of one image as a line of OPEX JSON.

    Further parts of an object's mask go into its meta as ``parts``, a JSON list of
    polygons.
    """
    from opex import BBox, ObjectPrediction, ObjectPredictions, Polygon

    predictions = [
        ObjectPrediction(
            score=item.score,
            label=item.name,
            bbox=BBox(*item.bbox),
            polygon=Polygon(points=item.polygon),
            meta={"parts": json.dumps(item.parts)} if item.parts else None,
        )
        for item in objects
    ]
    return ObjectPredictions(
        timestamp=time, id=image_id, objects=predictions, meta=meta
    ).to_json_string()


def error_opex(image_id: str, reason: str, meta: dict[str, str], time: str) -> str:
    """Return a valid OPEX that holds no object and says what went wrong."""
    return to_opex(image_id, [], meta | {"error": reason}, time)
