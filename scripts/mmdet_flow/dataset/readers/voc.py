"""Pascal VOC: one XML an image, with the corners of boxes."""

from collections.abc import Iterator
from functools import partial
from xml.etree.ElementTree import Element

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
from mmdet_flow.dataset.xml_files import read_root
from mmdet_flow.errors import DataError

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each XML; its image is the one that ``<filename>`` names, or the XML.

    ``<folder>`` and ``<path>`` tell where it once lay and are not used.
    """
    read_one = partial(_read_object, edges=source.edges)
    for path in source.files("*.xml"):
        try:
            root = read_root(path, "annotation")
            if _is_of_labelme(root):
                raise DataError("its objects are of LabelMe; read it as labelme-xml")
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        stated = root.findtext("filename") or ""
        image = index.find_stated(path, stated, path.stem)
        objects = read_objects(path, root.findall("object"), read_one)
        yield from image_or_problems(path, image, _read_size(root), objects)


def _is_of_labelme(root: Element) -> bool:
    has_box, *others = (
        root.find(f"object/{tag}") is not None for tag in ("bndbox", "polygon", "segm")
    )
    return any(others) and not has_box


def _read_size(root: Element) -> tuple[int, int] | None:
    try:
        width = int(root.findtext("size/width", ""))
        height = int(root.findtext("size/height", ""))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _read_object(element: Element, place: str, edges: str) -> AnnotatedObject:
    corners = (
        parsed((element.findtext(f"bndbox/{tag}") or "").strip(), tag)
        for tag in CORNERS
    )
    label = text(element.findtext("name") or "", "name")
    return AnnotatedObject(label, bbox_of_corners(*corners, edges), place)


FORMAT = AnnotationFormat(read, corners=True)
