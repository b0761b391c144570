"""The labelling interface of a project: the tags that take the objects of a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmdet_flow.dataset.classes import listed
from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.labelling.writers.label_studio import BOXES, OUTLINES, Place

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class Interface:
    """The tags of an image, and what the classes of a model are called there.

    Attributes:
        image: the name of the tag of the image.
        key: under which the data of a task name the image.
        boxes, outlines: the tag and the label of each class that may be one.
    """

    image: str
    key: str
    boxes: dict[str, Place]
    outlines: dict[str, Place]

    def shapes_of(self, label: str) -> str | None:
        """Return which of ``SHAPES`` a class has, None if there is no label for it."""
        if label in self.boxes and label in self.outlines:
            return "auto"
        if label in self.outlines:
            return "outlines"
        return "boxes" if label in self.boxes else None

    def missing(self, classes: Sequence[str]) -> list[str]:
        """Return the classes that the interface has no label for."""
        return [name for name in classes if self.shapes_of(name) is None]


def read_interface(text: str, classes: Sequence[str]) -> Interface:
    """Read the XML of a labelling interface, for the classes of a model.

    A label is that of a class if ``predicted_values`` names the class, if both are
    called alike, or else if they are but for case. Raises Malformed where no tag takes
    boxes or outlines in an image, or no label is that of a class.
    """
    root = _root(text)
    for image in root.iter("Image"):
        name, value = image.get("name", ""), image.get("value", "")
        boxes = _places(root, BOXES, name, classes)
        outlines = _places(root, OUTLINES, name, classes)
        if name and value.startswith("$") and (boxes or outlines):
            return Interface(name, value[1:], boxes, outlines)
    raise Malformed(
        "the labelling interface has no RectangleLabels or PolygonLabels of an Image "
        f"with a label for one of the classes {listed(classes)}; add them"
    )


def _root(text: str) -> "Element":
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(text)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Malformed(f"the labelling interface is no XML: {error}") from None


def _places(
    root: "Element", kind: str, image: str, classes: Sequence[str]
) -> dict[str, Place]:
    """Return the tag and the label of each class, of tags of a kind for an image."""
    labels = list(_labels(root, kind, image))
    found: dict[str, Place] = {}
    for same in (_names_it, _is_called_so, _is_called_so_but_for_case):
        for name in classes:
            for place, predicted in labels:
                if name not in found and same(name, place[1], predicted):
                    found[name] = place
    return found


def _labels(root: "Element", kind: str, image: str) -> Iterator[tuple[Place, str]]:
    """Yield each label, with its tag and the classes that it names as predicted."""
    for tag in root.iter():
        if tag.tag.lower() == kind and tag.get("toName") == image and tag.get("name"):
            for label in tag.iter("Label"):
                place = tag.get("name"), label.get("value", "")
                yield place, label.get("predicted_values", "")


def _names_it(name: str, _: str, predicted: str) -> bool:
    return name in (one.strip() for one in predicted.split(","))


def _is_called_so(name: str, label: str, _: str) -> bool:
    return name == label


def _is_called_so_but_for_case(name: str, label: str, _: str) -> bool:
    return name.casefold() == label.casefold()
