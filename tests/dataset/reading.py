"""What a reader finds in a folder, object by object."""

from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_flow.dataset.annotations import AnnotatedImage, AnnotatedObject, Source
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.shapes import FINENESS


def read(format_name: str, folder: Path) -> dict[str, tuple[AnnotatedObject, ...]]:
    """Return the objects of each image, by its name; nothing may be wrong."""
    found, problems = read_all(format_name, folder)
    assert problems == []
    return found


def read_all(
    format_name: str, folder: Path
) -> tuple[dict[str, tuple[AnnotatedObject, ...]], list[tuple[str, str, str]]]:
    """Return what ``read`` does, and (check, place, what) of each problem."""
    items = list(FORMATS[format_name].read(Source(folder, folder), ImageIndex(folder)))
    images = [item for item in items if isinstance(item, AnnotatedImage)]
    problems = [item for item in items if not isinstance(item, AnnotatedImage)]
    return (
        {one.image.name: one.objects for one in images},
        [(one.check, one.place, one.what) for one in problems],
    )


def plain(objects) -> list[tuple]:
    """Return (class, box, outlines) of each object."""
    return [(item.label, item.bbox, item.polygons) for item in objects]


def pixels(item: AnnotatedObject) -> np.ndarray:
    """Return the (height, width) pixels of a mask, 0 or 1."""
    counts = item.mask["counts"].encode()
    return coco_mask.decode({"counts": counts, "size": item.mask["size"]})


def assert_on_ellipse(item: AnnotatedObject, centre, radii, degrees=0) -> None:
    """Assert that an outline is an ellipse, nowhere further off than it may be."""
    (outline,) = item.polygons
    points = np.reshape(outline, (-1, 2)) - centre
    turn = np.deg2rad(degrees)
    back = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    away = np.linalg.norm(points @ back / radii, axis=1)
    assert np.abs(away - 1).max() * max(radii) < 1 / 32  # rounded to 1/64 pixel
    middles = (points + np.roll(points, -1, axis=0)) / 2
    inside = 1 - np.linalg.norm(middles @ back / radii, axis=1)
    assert inside.max() * max(radii) < FINENESS + 1 / 32
    assert len(points) % 4 == 0
