"""XML of LabelMe's web server: files as the server, Datumaro and CVAT write them."""

from xml.sax.saxutils import escape

import pytest

from tests.dataset.reading import plain, read, read_all
from tests.dataset.voc_data import make_picture, voc_xml

TRIANGLE = [(5.25, 5), (30, 6.5), (28, 40)]
FAR = [(40, 10), (60, 10), (50, 30)]


def flat(*points) -> tuple:
    return tuple(float(value) for point in points for value in point)


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(tmp_path / f"{name}.jpg", seed)
    return tmp_path


def shape(name="cat", points=TRIANGLE, **tags) -> str:
    """Return an object; tags are more elements of it, such as ``type``."""
    rest = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags.items())
    pairs = "".join(f"<pt><x>\n{x}\n</x><y>{y}</y></pt>" for x, y in points)
    drawn = f"<polygon><username>anna</username>{pairs}</polygon>"
    return f"<object><name>\n{escape(name)}\n</name>{rest}{drawn}</object>"


def part(name, key, of="", **tags) -> str:
    parts = f"<hasparts></hasparts><ispartof>{of}</ispartof>"
    return shape(name, id=key, parts=parts, **tags)


def write(folder, *shapes, image="a.jpg", stated=None, place="") -> None:
    name = f"<filename>\n{stated or image}\n</filename><folder>{place}</folder>"
    size = "<imagesize><nrows>48</nrows><ncols> 64 </ncols></imagesize>"
    text = f"<annotation>{name}{size}{''.join(shapes)}</annotation>"
    (folder / image).with_suffix(".xml").write_text(text)


def test_outlines_and_boxes_are_read(folder):
    corners = [(10, 10), (30.5, 10), (30.5, 20), (10, 20)]
    write(
        folder,
        shape(deleted="0", verified="0", attributes="tall, red", occluded="yes"),
        shape("big dog & co", corners, type=" bounding_box "),
        shape("house", corners),
    )
    write(folder, image="b.jpg")
    found = read("labelme-xml", folder)
    assert plain(found["a.jpg"]) == [
        ("cat", (5.25, 5.0, 24.75, 35.0), (flat(*TRIANGLE),)),
        ("big dog & co", (10.0, 10.0, 20.5, 10.0), ()),
        ("house", (10.0, 10.0, 20.5, 10.0), (flat(*corners),)),
    ]
    assert found["b.jpg"] == ()


def test_a_box_that_cvat_turned_is_its_outline(folder):
    corners = [(20, 10), (40, 10), (40, 20), (20, 20)]
    for attributes in ("rotation=90.0", "color=red, rotation=90", "rotation=left"):
        write(folder, shape("cat", corners, type="bounding_box", attributes=attributes))
        (found,) = read("labelme-xml", folder)["a.jpg"]
        assert bool(found.polygons) == ("90" in attributes)
        if found.polygons:
            assert found.bbox == (25.0, 5.0, 10.0, 20.0)


def test_deleted_objects_are_left_aside(folder):
    write(folder, shape(deleted="1"), shape("dog"), shape(deleted="1"))
    found, problems = read_all("labelme-xml", folder)
    assert [one.label for one in found["a.jpg"]] == ["dog"]
    assert problems == [("left-aside", "", "deleted objects: 2")]


def test_parts_of_the_same_name_are_one_object(folder):
    write(
        folder,
        part("cat", 0),
        part("cat", 1, of=0),
        part("cat", 2, of=1, points=FAR),
        part("house", 3),
        part("window", 4, of=3),
        part("window", 5, of=3, points=FAR),
    )
    found = read("labelme-xml", folder)["a.jpg"]
    assert [(one.label, len(one.polygons)) for one in found] == [
        *(("cat", 3), ("house", 1), ("window", 1), ("window", 1))
    ]
    assert found[0].polygons[2] == flat(*FAR)
    assert found[0].bbox == (5.25, 5.0, 54.75, 35.0)


def test_parts_that_make_no_sense_stay_objects(folder):
    """A part of itself, of a circle, of what is deleted, and of what is not there."""
    write(
        folder,
        part("cat", 0, of=0),
        part("dog", 1, of=2),
        part("dog", 2, of=1),
        part("cow", 3, deleted=1),
        part("cow", 4, of=3),
        part("pig", 5, of=77),
    )
    found, _ = read_all("labelme-xml", folder)
    assert [(one.label, len(one.polygons)) for one in found["a.jpg"]] == [
        *(("cat", 1), ("dog", 2), ("cow", 1), ("pig", 1))
    ]


def test_objects_without_ids_are_named_by_their_place(folder):
    parts = "<ispartof>0</ispartof>"
    write(folder, shape("cat"), shape("cat", FAR, parts=parts), shape("cat"))
    found = read("labelme-xml", folder)["a.jpg"]
    assert [len(one.polygons) for one in found] == [2, 1]


def test_the_image_lies_in_the_folder_that_is_named(tmp_path):
    for seed, place in enumerate(("train", "val")):
        (tmp_path / "Images" / place).mkdir(parents=True)
        make_picture(tmp_path / "Images" / place / "x.v1.jpg", seed)
    write(tmp_path, shape(), image="x.v1.jpg", place="val")
    assert list(read("labelme-xml", tmp_path)) == ["x.v1.jpg"]
    (tmp_path / "x.v1.xml").rename(tmp_path / "Images/x.v1.xml")
    write(tmp_path, shape(), image="x.v1.jpg", place="elsewhere")
    _, problems = read_all("labelme-xml", tmp_path)
    assert [check for check, _, _ in problems] == ["ambiguous-image"]


def test_an_image_of_another_name_is_ambiguous(folder):
    write(folder, shape(), image="a.jpg", stated="b.jpg")
    found, problems = read_all("labelme-xml", folder)
    assert found == {}
    assert [check for check, _, _ in problems] == ["ambiguous-image"]


SEGM = "<segm><mask>a_mask_0.png</mask><box><xmin>1</xmin></box></segm>"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (f"<object><name>cat</name>{SEGM}</object>", "its mask is in another file"),
        ("<object><name>cat</name></object>", "it has no polygon"),
        (shape(points=[]), "its polygon has no points"),
        (shape(points=[], type="bounding_box"), "its polygon has no points"),
        (shape(points=[(1, "x")]), "y is 'x', not a number"),
        (shape(points=[("", 2)]), "x is '', not a number"),
        (shape().replace("<pt>", "<t>0, 1</t><pt>", 1), "that of a video"),
    ],
)
def test_what_is_no_outline_is_a_finding_with_its_place(folder, wrong, said):
    write(folder, shape(), wrong)
    found, problems = read_all("labelme-xml", folder)
    assert len(found["a.jpg"]) == 1
    ((check, place, what),) = problems
    assert (check, place) == ("invalid-object", "object 2")
    assert said in what


def test_files_of_pascal_voc_and_labelme_are_told_apart(folder):
    write(folder, shape(), shape(deleted="1"))
    (folder / "b.xml").write_text(voc_xml("b.jpg", ("cat", 1, 1, 9, 9)))
    found, problems = read_all("labelme-xml", folder)
    assert list(found) == ["a.jpg"]
    said = "its objects are boxes of Pascal VOC; read it as voc"
    assert problems[1:] == [("broken-annotation", "", said)]
    found, problems = read_all("voc", folder)
    assert list(found) == ["b.jpg"]
    said = "its objects are of LabelMe; read it as labelme-xml"
    assert problems == [("broken-annotation", "", said)]
    write(folder, f"<object><name>cat</name>{SEGM}</object>")
    assert read_all("voc", folder)[1] == problems
