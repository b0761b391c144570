"""What a writer of annotations is given, and what it gives."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from mmdet_flow.dataset.annotations import EDGES
from mmdet_flow.dataset.coco_object import whole_if_so
from mmdet_flow.dataset.predictions import PredictedImage

Written = tuple[str, str]
"""The name of a file, with its folders below that of the format, and its text."""


@dataclass(frozen=True)
class Task:
    """What is labelled, beside the images.

    Attributes:
        classes: the class list.
        edges: what corners of boxes name, one of ``EDGES``, where a format leaves it to
            its programs.
        address: what comes before the name of an image where a format has addresses.
    """

    classes: Sequence[str]
    edges: str = EDGES[0]
    address: str = ""


@dataclass(frozen=True)
class AnnotationWriter:
    """How a format is written.

    ``write`` yields the files of a format; objects have the outlines that they are to
    have, in the coordinates of COCO.

    Attributes:
        images: the folder of the images below that of the format, "" for itself.
        outlines: whether it holds outlines, beside boxes.
        parts: whether an object may have several outlines.
        needs_outlines: whether each object has to have an outline.
        both: whether an object has a box beside its outlines, and not just around them.
        whole: whether coordinates have to be whole pixels; then outlines run through
            the middles of the outermost ones, as in OPEX.
        corners: whether its programs disagree about what corners of boxes name.
    """

    write: Callable[[Sequence[PredictedImage], Task], Iterator[Written]]
    images: str = ""
    outlines: bool = True
    parts: bool = False
    needs_outlines: bool = False
    both: bool = False
    whole: bool = False
    corners: bool = False


def points_of(outline: Sequence[float]) -> list[list[float]]:
    """Return x0, y0, x1, y1, ... as points."""
    values = list(map(whole_if_so, outline))
    return [list(one) for one in zip(values[::2], values[1::2], strict=True)]


def add(
    parent: Element, tag: str, text: object = None, **attributes: object
) -> Element:
    """Add an element with a text and attributes; return it."""
    given = {key: str(value) for key, value in attributes.items()}
    element = ElementTree.SubElement(parent, tag, given)
    element.text = None if text is None else str(text)
    return element


def as_xml(root: Element) -> str:
    """Return a document, an element a line."""
    ElementTree.indent(root)
    head = "<?xml version='1.0' encoding='utf-8'?>\n"
    return head + ElementTree.tostring(root, encoding="unicode") + "\n"
