"""Pascal VOC: one XML a picture, corners inclusive."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Finding,
    error,
    index_images,
)


def read(annotations: Path, images: Path) -> Iterator[AnnotatedImage | Finding]:
    """Read each XML below ``annotations``; its picture may lie anywhere in ``images``.

    The picture is the one named by ``<filename>``; ``<folder>`` and ``<path>`` tell
    where it once lay and are not used.
    """
    index = index_images(images)
    for path in sorted(annotations.rglob("*.xml")):
        try:
            root = _parse(path)
        except (ParseError, ValueError) as problem:
            yield error(path, "", f"broken XML: {problem}", "mend or remove the file")
            continue
        yield from _read_one(path, root, index)


def stage(image: AnnotatedImage, folder: Path) -> Path:
    """Write the XML so that its picture is found beside it; all else stays."""
    root = _parse(image.annotation)
    _child(root, "folder").text = ""
    _child(root, "filename").text = image.image.name
    target = folder / f"{image.image.stem}.xml"
    from xml.etree.ElementTree import ElementTree

    ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)
    return target


def _parse(path: Path) -> Element:
    """Parse an XML without following entities: annotations come from anywhere."""
    from defusedxml import ElementTree

    return ElementTree.parse(path).getroot()


def _child(root: Element, tag: str) -> Element:
    found = root.find(tag)
    return SubElement(root, tag) if found is None else found


def _read_one(path: Path, root: Element, index) -> Iterator[AnnotatedImage | Finding]:
    filename = (root.findtext("filename") or path.stem).strip().replace("\\", "/")
    candidates = index.get(Path(filename).stem) or index.get(path.stem) or []
    if not candidates:
        yield error(
            path,
            "filename",
            f"no picture {filename}",
            "add the picture or remove the XML",
        )
        return
    if len(candidates) > 1:
        names = " and ".join(str(found.parent.name) for found in candidates)
        yield error(
            path,
            "filename",
            f"{filename} is in {names}",
            "give each picture a name of its own",
        )
        return
    objects = []
    for number, element in enumerate(root.findall("object"), 1):
        try:
            objects.append(_read_object(element))
        except ValueError as problem:
            yield error(
                path, f"object {number}", str(problem), "mend the object or remove it"
            )
    yield AnnotatedImage(path, candidates[0], _read_size(root), tuple(objects))


def _read_size(root: Element) -> tuple[int, int] | None:
    try:
        width = int(root.findtext("size/width", ""))
        height = int(root.findtext("size/height", ""))
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _read_object(element: Element) -> AnnotatedObject:
    corners = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        text = (element.findtext(f"bndbox/{tag}") or "").strip()
        try:
            corners.append(int(text))
        except ValueError:
            raise ValueError(f"{tag} is {text!r}, not a whole number") from None
    left, top, right, bottom = corners
    label = (element.findtext("name") or "").strip()
    bbox = (left, top, right - left + 1, bottom - top + 1)
    return AnnotatedObject(label, tuple(map(float, bbox)))


VOC = AnnotationFormat(read=read, stage=stage, reader="from-voc-od")
