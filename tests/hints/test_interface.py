"""Which tags of a labelling interface take the objects of a model."""

import pytest

from mmdet_flow.dataset.fields import Malformed
from mmdet_flow.hints.interface import read_interface
from mmdet_flow.labelling.writers.label_studio import write
from mmdet_flow.labelling.writers.writer import Task

CLASSES = ("leaf", "pebble", "shell")
IMAGE = '<Image name="img" value="$photo"/>'


def tags(kind: str, *labels: str, name: str = "a", image: str = "img") -> str:
    inside = "".join(labels)
    return f'<{kind} name="{name}" toName="{image}">{inside}</{kind}>'


def label(value: str, predicted: str = "") -> str:
    more = f' predicted_values="{predicted}"' if predicted else ""
    return f'<Label value="{value}"{more}/>'


def view(*parts: str) -> str:
    return f"<View>{IMAGE}{''.join(parts)}</View>"


def test_the_interface_that_is_exported_takes_all_classes():
    text = dict(write([], Task(CLASSES)))["interface.xml"]
    found = read_interface(text, CLASSES)
    assert (found.image, found.key) == ("image", "image")
    assert found.boxes == {name: ("box", name) for name in CLASSES}
    assert found.outlines == {name: ("outline", name) for name in CLASSES}
    assert {found.shapes_of(name) for name in CLASSES} == {"auto"}


def test_each_class_has_the_shapes_that_there_are_labels_for():
    boxes = tags("RectangleLabels", label("leaf"), label("pebble"))
    outlines = tags("PolygonLabels", label("pebble"), label("shell"), name="b")
    others = tags("RectangleLabels", label("shell"), name="c", image="other")
    found = read_interface(view(boxes, outlines, others), CLASSES)
    assert [found.shapes_of(name) for name in CLASSES] == ["boxes", "auto", "outlines"]
    assert (found.image, found.key) == ("img", "photo")
    assert found.outlines["pebble"] == ("b", "pebble")
    assert found.missing((*CLASSES, "stone")) == ["stone"]


def test_a_label_names_its_classes_or_is_called_like_one():
    labels = (label("Plant", "leaf, shell"), label("Shell"), label("PEBBLE"))
    found = read_interface(view(tags("RectangleLabels", *labels)), CLASSES)
    assert found.boxes == {
        **{"leaf": ("a", "Plant"), "shell": ("a", "Plant")},
        **{"pebble": ("a", "PEBBLE")},
    }


BOMB = """<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><View>&b;</View>"""
FILE = """<!DOCTYPE v [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<View>", "is no XML: no element found"),
        ("", "is no XML"),
        (BOMB, "is no XML: EntitiesForbidden"),
        (FILE, "is no XML: EntitiesForbidden"),
        (view(), "no RectangleLabels or PolygonLabels"),
        (view(tags("RectangleLabels", label("tree"))), "classes leaf, pebble, shell"),
        (view(tags("BrushLabels", label("leaf"))), "no RectangleLabels or Poly"),
        (f"<View>{tags('RectangleLabels', label('leaf'))}</View>", "of an Image"),
    ],
)
def test_what_takes_no_object_is_one_line(text, expected):
    with pytest.raises(Malformed) as refused:
        read_interface(text, CLASSES)
    assert expected in str(refused.value) and "\n" not in str(refused.value)
