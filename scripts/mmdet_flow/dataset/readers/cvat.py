"""CVAT for images 1.1: XML files of several images each."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Outline,
    Problem,
    Source,
    broken,
    image_or_problems,
)
from mmdet_flow.dataset.fields import Malformed, member, pairs, parsed, shown, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.masks import (
    Size,
    frame_of,
    masked,
    pixels_of_runs,
    without_image,
)
from mmdet_flow.dataset.shapes import ellipse, polygon, read_shapes, rectangle
from mmdet_flow.dataset.xml_files import read_root
from mmdet_flow.errors import DataError

SIDES = ("xtl", "ytl", "xbr", "ybr")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each XML; ``<image>`` names its images, with folders.

    Polygons, ellipses and masks of one label and ``group_id`` are the parts of one
    object.
    """
    for path in source.files("*.xml"):
        try:
            root = read_root(path, "annotations")
        except DataError as error:
            yield broken(path, error)
            continue
        images = root.findall("image")
        if root.find("track") is not None:
            what = (
                "it holds tracks of CVAT for video; export it as CVAT for images 1.1, "
                "which has the objects of each image"
            )
            yield broken(path, what)
        elif not images:
            yield broken(path, "it has no element image")
        if tags := sum(len(image.findall("tag")) for image in images):
            yield Problem("left-aside", path, "", f"tags of images: {tags}")
        for number, image in enumerate(images, 1):
            yield from _read_image(path, image, f"image {number}", index)


def _read_image(
    path: Path, element: Element, place: str, index: ImageIndex
) -> Iterator[AnnotatedImage | Problem]:
    try:
        name = text(element.get("name", ""), "its name")
        if not name:
            raise Malformed("it has no name")
    except Malformed as error:
        yield broken(path, error, place)
        return
    subset = element.get("subset", "")
    image = index.find(path, f"{subset}/{name}" if subset else name)
    size = _read_size(element)
    numbered = (pair for pair in enumerate(element, 1) if pair[1].tag != "tag")
    read_one = _shape_reader(image, size)
    place = f"{name}, shape"
    objects = read_shapes(path, numbered, read_one, _group_of, place)
    for item in image_or_problems(path, image, size, objects):
        if isinstance(item, AnnotatedImage):
            item = replace(item, subset=subset)
        yield item


def _read_size(element: Element) -> Size | None:
    try:
        size = int(element.get("width", "")), int(element.get("height", ""))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def _group_of(element: Element) -> Hashable | None:
    group = element.get("group_id", "0").strip()
    return None if group in ("", "0") else (element.get("label"), group)


def _shape_reader(image: Path | Problem, size: Size | None) -> Callable:
    frame = frame_of(image, size)

    def read_shape(element: Element, place: str) -> AnnotatedObject:
        label = text(element.get("label", ""), "label")
        if element.tag == "box":
            left, top, right, bottom = (_number(element, side) for side in SIDES)
            box = (left, top, right - left, bottom - top)
            return rectangle(label, box, place, _rotation(element))
        if element.tag == "polygon":
            return polygon(label, _points(element), place)
        if element.tag == "ellipse":
            x, y, *radii = (_number(element, key) for key in ("cx", "cy", "rx", "ry"))
            return ellipse(label, (x, y), tuple(radii), place, _rotation(element))
        if element.tag == "mask":
            return _mask(label, element, frame(), place)
        raise Malformed(f"its shape is {shown(element.tag)}, which encloses nothing")

    return read_shape


def _number(element: Element, key: str) -> float:
    return parsed(member(element.attrib, key), key)


def _rotation(element: Element) -> float:
    return parsed(element.get("rotation", "0"), "rotation")


def _points(element: Element) -> Outline:
    points = (one.split(",") for one in element.get("points", "").split(";"))
    return pairs((one for one in points if any(map(str.strip, one))), "a point")


def _mask(
    label: str, element: Element, frame: Size | None, place: str
) -> AnnotatedObject:
    """Read runs along the rows of a box of whole pixels."""
    keys = ("left", "top", "width", "height")
    left, top, width, height = (int(_number(element, key)) for key in keys)
    if frame is None:
        return without_image(label, place)
    if not (0 < width <= frame[0] and 0 < height <= frame[1]):
        raise Malformed(
            f"its mask has {width}x{height} pixels, its image {frame[0]}x{frame[1]}"
        )
    try:
        counts = [int(one) for one in element.get("rle", "").split(",")]
    except ValueError:
        raise Malformed("its rle is no list of whole numbers") from None
    pixels = pixels_of_runs(counts, (width, height))
    return masked(label, pixels, (left, top), frame, place)


FORMAT = AnnotationFormat(read)
