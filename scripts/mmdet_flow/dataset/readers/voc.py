"""Pascal VOC: one XML an image, corners inclusive."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, ParseError, SubElement

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    bbox_of_corners,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import parsed, text
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_whole

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each XML; its image is the one that ``<filename>`` names, or the XML.

    ``<folder>`` and ``<path>`` tell where it once lay and are not used.
    """
    for path in source.files("*.xml"):
        try:
            root = _read_root(path)
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        if root.tag != "annotation":
            what = f"its root is <{root.tag}>, not <annotation>"
            yield index.broken(path, path.stem, what)
            continue
        stated = root.findtext("filename") or ""
        image = index.find_stated(path, stated, path.stem)
        objects = read_objects(path, root.findall("object"), _read_object)
        yield from image_or_problems(path, image, _read_size(root), objects)


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write an XML beside each image."""
    return [_write_one(image, folder) for image in images]


def _write_one(image: AnnotatedImage, folder: Path) -> Path:
    root = Element("annotation")
    SubElement(root, "folder")
    SubElement(root, "filename").text = image.image.name
    for item in image.objects:
        element = SubElement(root, "object")
        SubElement(element, "name").text = item.label
        box = SubElement(element, "bndbox")
        x, y, width, height = map(int, item.bbox)
        corners = (x, y, x + width - 1, y + height - 1)
        for tag, value in zip(CORNERS, corners, strict=True):
            SubElement(box, tag).text = str(value)
    target = folder / f"{image.image.stem}.xml"
    ElementTree(root).write(target, encoding="utf-8")
    return target


def _read_root(path: Path) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    content = read_whole(path)
    try:
        return fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"broken XML: {error}") from None


def _read_size(root: Element) -> tuple[int, int] | None:
    try:
        width = int(root.findtext("size/width", ""))
        height = int(root.findtext("size/height", ""))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _read_object(element: Element, place: str) -> AnnotatedObject:
    corners = (
        parsed((element.findtext(f"bndbox/{tag}") or "").strip(), tag)
        for tag in CORNERS
    )
    label = text(element.findtext("name") or "", "name")
    return AnnotatedObject(label, bbox_of_corners(*corners), place)


FORMAT = AnnotationFormat(read, write, ("from-voc-od",), inclusive=True)
