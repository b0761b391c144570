"""LabelMe's web server: one XML an image, with outlines."""

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Outline,
    Problem,
    Source,
    bbox_of_points,
    image_or_problems,
)
from mmdet_flow.dataset.fields import Malformed, parsed, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.shapes import polygon, read_shapes, rectangle
from mmdet_flow.dataset.xml_files import read_root
from mmdet_flow.errors import DataError

BOX = "bounding_box"
"""The only type that the server gives to an object."""

ROTATION = re.compile(r"(?:^|,)\s*rotation=(-?[\d.]+)\s*(?:,|$)")
"""The angle of a box that CVAT writes among the attributes."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each XML; its image is the one that ``<filename>`` names, or the XML.

    Objects of one name, one of which is a part of the other, are parts of one object.
    """
    for path in source.files("*.xml"):
        try:
            root = read_root(path, "annotation")
            if root.find("object/bndbox") is not None:
                raise DataError("its objects are boxes of Pascal VOC; read it as voc")
            folder, name = (
                text(_word(root, tag), tag) for tag in ("folder", "filename")
            )
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        stated = f"{folder}/{name}" if name else ""
        image = index.find_stated(path, stated, path.stem)
        elements = root.findall("object")
        kept = [pair for pair in enumerate(elements, 1) if not _is_deleted(pair[1])]
        if deleted := len(elements) - len(kept):
            yield Problem("left-aside", path, "", f"deleted objects: {deleted}")
        wholes = _wholes(elements)
        objects = read_shapes(path, kept, _read_object, wholes.get, "object")
        yield from image_or_problems(path, image, _read_size(root), objects)


def _word(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _is_deleted(element: Element) -> bool:
    return _word(element, "deleted") not in ("", "0")


def _read_size(root: Element) -> tuple[int, int] | None:
    try:
        width, height = (
            int(_word(root, f"imagesize/n{of}")) for of in ("cols", "rows")
        )
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _wholes(elements: Sequence[Element]) -> dict[Element, Element]:
    """Return the outermost object of its name that each object is a part of, or itself.

    Objects are named by their ids, or by their places where they have none.
    """
    by_id: dict[str, Element] = {}
    for place, element in enumerate(elements):
        by_id.setdefault(_word(element, "id") or str(place), element)
    wholes: dict[Element, Element] = {}
    for element in elements:
        way, last = {}, element
        while last not in way and last not in wholes:
            way[last] = None
            last = _whole_of(last, by_id)
        wholes |= dict.fromkeys(way, wholes.get(last, last))
    return wholes


def _whole_of(element: Element, by_id: dict[str, Element]) -> Element:
    whole = by_id.get(_word(element, "parts/ispartof"), element)
    is_same = _word(whole, "name") == _word(element, "name")
    return whole if is_same and not _is_deleted(whole) else element


def _read_object(element: Element, place: str) -> AnnotatedObject:
    label = text(_word(element, "name"), "name")
    outline = element.find("polygon")
    if outline is None:
        if element.find("segm") is None:
            raise Malformed("it has no polygon")
        raise Malformed(
            "its mask is in another file, which is not read; datumaro reads it and "
            "writes COCO"
        )
    if outline.find("t") is not None:
        raise Malformed("its polygon is that of a video, which is not read")
    points = _points(outline)
    if _word(element, "type") == BOX and points:
        angle = ROTATION.search(_word(element, "attributes"))
        degrees = parsed(angle[1], "rotation") if angle else 0
        return rectangle(label, bbox_of_points(points), place, degrees)
    return polygon(label, points, place)


def _points(outline: Element) -> Outline:
    return tuple(
        parsed(_word(point, axis), axis)
        for point in outline.findall("pt")
        for axis in ("x", "y")
    )


FORMAT = AnnotationFormat(read)
