"""Malformed files of each format that people hand in, made from small valid ones.

``cases(format_name, seed)`` yields them in a fixed order: each key with values of each
wrong type, each word with odd ones, cuts, flipped bits, other encodings, and large
files. ``odd_entries`` are no files at all. Nothing here depends on the clock.
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tests.dataset.voc_data import make_picture

HERE = "@HERE@"
"""Stands in a document where a fragment goes that is not what JSON writers write."""

DEEP = 100_000
FRAGMENTS = (
    *("null", "true", "-1", "0", "0.5", "1e400", "-1e400", "NaN", "1e300"),
    *("9" * 400, "9" * 5000, "1.5e-320", '"text"', '""', '"7"', '"nan"', "[]", "{}"),
    *("[null]", "[[]]", '[["a"]]', '{"a": {"b": [1]}}', '"\\ud800"', '"a\\u0000b"'),
    *('"line\\nbreak"', '"../../a.jpg"', '"/"', "[1, 2, 3]", "[0, 0, 0, 0]"),
)
"""Values of wrong types and sizes, as they stand in JSON."""

WORDS = (
    *("", "nan", "inf", "-inf", "1e400", "-1", "0", "0.5", "1e300", "9" * 400),
    *("9" * 5000, "abc", "1,5", "0x10", "1_000", "\u0663", "\x00", "\ud83d", "\u202e"),
    *(
        '"',
        "'",
        "<",
        "&",
        "]]>",
        "#",
        "=",
        "\\",
        "\\ud800",
        "\\uZZZZ",
        ",,,,",
        ";",
        ":",
    ),
    *("null", "!!int x", "*a", "&a [*a]", "[", "{", "../..", "%s%n", "\t", " "),
)
"""Odd words for formats of plain text."""

POLYGON = (5, 5, 30, 6, 28, 40)

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNgZGBiYAQAABIABb6f"
    "s04AAAAASUVORK5CYII="
)
"""Of 2x2 pixels."""

BRUSH = [0, 0, 48, 0, 57, 27, 255, 47, 255, 255]
"""Of 64x48 pixels, all painted."""

COCO = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "width": 64, "height": 48},
        {"id": 2, "file_name": "b.jpg", "width": 64, "height": 48},
    ],
    "annotations": [
        {
            **{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 35]},
            **{"area": 800.5, "iscrowd": 0, "segmentation": [list(POLYGON)]},
        },
        {
            **{"id": 2, "image_id": 2, "category_id": 2, "bbox": [0, 0, 64, 48]},
            **{"area": 3072, "iscrowd": 0},
        },
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}

OPEX = {
    "id": "a.jpg",
    "objects": [
        {
            **{"label": "cat", "score": 0.5, "meta": {"k": "v"}},
            "bbox": {"left": 5, "top": 5, "right": 30, "bottom": 40},
            "polygon": {"points": [[5, 5], [30, 6], [28, 40]]},
        }
    ],
}

VIA = {
    "a.jpg1": {
        **{"filename": "a.jpg", "size": 1, "file_attributes": {}},
        "regions": [
            {
                "shape_attributes": {
                    **{"name": "rect", "x": 5, "y": 5},
                    **{"width": 25, "height": 35},
                },
                "region_attributes": {"type": "cat"},
            },
            {
                "shape_attributes": {
                    "name": "polygon",
                    **{"all_points_x": [5, 30, 28], "all_points_y": [5, 6, 40]},
                },
                "region_attributes": {"type": "dog"},
            },
        ],
    },
    "b.jpg1": {"filename": "b.jpg", "regions": {}},
}

LABELME = {
    **{"version": "6.3.1", "imagePath": "a.jpg", "imageData": None},
    **{"imageHeight": 48, "imageWidth": 64},
    "shapes": [
        {
            **{"label": "cat", "shape_type": "polygon", "group_id": 1, "mask": None},
            "points": [[5, 5], [30, 6], [28, 40]],
        },
        {
            **{"label": "dog", "shape_type": "mask", "points": [[0, 0], [1, 1]]},
            **{"group_id": 2, "mask": PNG},
        },
        {"label": "cat", "shape_type": "circle", "points": [[9, 9], [12, 9]]},
    ],
}

LABEL_STUDIO = [
    {
        **{"id": 1, "data": {"image": "/data/upload/1/0b7711aa-a.jpg"}},
        "annotations": [
            {
                **{"was_cancelled": False, "updated_at": "2026-01-02"},
                "result": [
                    {
                        **{"original_width": 64, "original_height": 48, "id": "r"},
                        **{"image_rotation": 0, "type": "rectanglelabels"},
                        "value": {
                            **{"x": 25, "y": 25, "width": 50, "height": 50},
                            **{"rotation": 10, "rectanglelabels": ["cat"]},
                        },
                    },
                    {
                        **{"original_width": 64, "original_height": 48},
                        "value": {"rle": BRUSH, "brushlabels": ["dog"]},
                    },
                    {
                        **{"original_width": 64, "original_height": 48},
                        "value": {
                            "points": [[5, 5], [30, 6], [28, 40]],
                            "polygonlabels": ["dog"],
                        },
                    },
                ],
            }
        ],
        "predictions": [],
    }
]

DATUMARO = {
    "categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}},
    "items": [
        {
            **{"id": "a", "image": {"path": "a.jpg", "size": [48, 64]}},
            "annotations": [
                {
                    **{"type": "polygon", "label_id": 0, "group": 1},
                    **{"points": [5, 5, 30, 6, 28, 40], "attributes": {}},
                },
                {
                    **{"type": "mask", "label_id": 1, "group": 2},
                    "rle": {"counts": [9, 9, 3054], "size": [48, 64]},
                },
                {"type": "bbox", "label_id": 1, "bbox": [5, 5, 25, 35]},
            ],
        }
    ],
}

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<image id="0" name="a.jpg" width="64" height="48">
<box label="cat" xtl="5" ytl="5.5" xbr="30" ybr="40" rotation="10"/>
<polygon label="dog" points="5,5;30,6;28,40" group_id="1"/>
<mask label="dog" rle="1, 2, 1" left="3" top="4" width="2" height="2"/>
<ellipse label="cat" cx="20" cy="20" rx="9" ry="5"/></image></annotations>
"""

VIA_CSV = """filename,region_shape_attributes,region_attributes
a.jpg,"{""name"":""rect"",""x"":5,""y"":5,""width"":25,""height"":35}","{""t"":""cat""}"
a.jpg,"{""name"":""ellipse"",""cx"":20,""cy"":20,""rx"":9,""ry"":5}","{""t"":""dog""}"
a.jpg,"{""name"":""polygon"",""all_points_x"":[5,30,28],""all_points_y"":[5,6,40]}",{}
b.jpg,{},{}
"""

CREATEML = [
    {
        "image": "a.jpg",
        "annotations": [
            {
                "label": "cat",
                "coordinates": {"x": 17.5, "y": 22.5, "width": 25, "height": 35},
            },
            {
                "label": "dog",
                "coordinates": {"x": 32, "y": 24, "width": 64, "height": 48},
            },
        ],
    },
    {"imagefilename": "b.jpg", "annotation": []},
]

LIGHTLY = {
    "file_name": "a.jpg",
    "predictions": [
        {"category_id": 0, "bbox": [5, 5, 25, 35], "score": 0.0},
        {"category_id": 1, "bbox": [0, 0, 64, 48], "score": 0.5},
    ],
}

SCHEMA = {
    "task_type": "object-detection",
    "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
}

LABELME_XML = """<?xml version="1.0" encoding="utf-8"?>
<annotation><filename>a.jpg</filename><folder>f</folder>
<imagesize><nrows>48</nrows><ncols>64</ncols></imagesize>
<object><name>cat</name><deleted>0</deleted><id>0</id>
<parts><hasparts>1</hasparts><ispartof></ispartof></parts>
<polygon><pt><x>5</x><y>5.5</y></pt><pt><x>30</x><y>6</y></pt><pt><x>28</x>
<y>40</y></pt></polygon></object>
<object><name>cat</name><deleted>0</deleted><id>1</id><parts><ispartof>0</ispartof>
</parts><type>bounding_box</type><attributes>rotation=10, a=b</attributes><polygon>
<pt><x>5</x><y>5</y></pt><pt><x>9</x><y>9</y></pt></polygon></object></annotation>
"""

OPEN_IMAGES = """ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf
a,xclick,/m/0cat,1,0.25,0.5,0.1,1,0
a,xclick,/m/0dog,1,0,1,0,1,1
b,,/m/0cat,0.5,0.071875,0.1453125,0.20625,0.39166668,-1
"""

DESCRIPTIONS = "LabelName,DisplayName\n/m/0cat,cat\n/m/0dog,dog\n/m/0emu,cat\n"

RESULTS = [
    {"image_id": 1, "category_id": 1, "bbox": [5, 5, 25, 35], "score": 0.9},
    {"image_id": 2, "category_id": 2, "bbox": [0, 0, 64, 48], "score": 0.8},
]
VOC = """<?xml version="1.0" encoding="utf-8"?>
<annotation><folder>f</folder><filename>a.jpg</filename>
<size><width>64</width><height>48</height><depth>3</depth></size>
<object><name>cat</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>30</xmax>
<ymax>40</ymax></bndbox></object></annotation>
"""

ADAMS = """#Simple report format
Object.1.x=5
Object.1.y=5
Object.1.width=25
Object.1.height=35
Object.1.type=cat
Object.1.poly_x=5,30,28
Object.1.poly_y=5,6,40
Object.1.x\\tDataType=N
Image.Width=64
"""

ROI = """file,x0,y0,x1,y1,label,label_str,score,poly_x,poly_y
a.jpg,5,5,30,40,0,cat,0.5,"5,30,28","5,6,40"
b.jpg,5,5,30,40,1,dog,0.5,,
"""

YOLO = "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.5 0.1 0.5 0.5\n"
DATA_YAML = "path: .\ntrain: images\nnames:\n  0: cat\n  1: dog\n"
GROUPS = "image,group\na.jpg,one\nb.jpg,two\n"
LIST = "a.jpg\nb.jpg\n"
CLASSES = "cat,dog"


@dataclass(frozen=True)
class Case:
    """A malformed file: what was done to it, and its bytes."""

    what: str
    content: bytes


@dataclass(frozen=True)
class Valid:
    """A file format: its file name, valid text, and a valid document if it is JSON."""

    name: str
    text: str
    document: object = None


def _of_document(name: str, document: object) -> Valid:
    return Valid(name, json.dumps(document), document)


VALID: dict[str, Valid] = {
    "adams": Valid("a.report", ADAMS),
    "coco": _of_document("a.json", COCO),
    "createml": _of_document("a.json", CREATEML),
    "cvat": Valid("a.xml", CVAT),
    "datumaro": _of_document("a.json", DATUMARO),
    "label-studio": _of_document("a.json", LABEL_STUDIO),
    "labelme": _of_document("a.json", LABELME),
    "labelme-xml": Valid("a.xml", LABELME_XML),
    "lightly": _of_document("a.json", LIGHTLY),
    "schema.json": _of_document("schema.json", SCHEMA),
    "open-images": Valid("a.csv", OPEN_IMAGES),
    "class-descriptions.csv": Valid("class-descriptions.csv", DESCRIPTIONS),
    "opex": _of_document("a.json", OPEX),
    "roi": Valid("a-rois.csv", ROI),
    "vgg": _of_document("a.json", VIA),
    "via-csv": Valid("a.csv", VIA_CSV),
    "voc": Valid("a.xml", VOC),
    "yolo": Valid("a.txt", YOLO),
    "data.yaml": Valid("data.yaml", DATA_YAML),
    "results": _of_document("detections.json", RESULTS),
    "groups": Valid("groups.csv", GROUPS),
    "list": Valid("list.txt", LIST),
    "classes": Valid("classes.txt", CLASSES),
}
"""The files, by the name of their format or of their use."""


BESIDE: dict[str, tuple[str, str, str]] = {
    "data.yaml": ("yolo", "a.txt", YOLO),
    "lightly": ("lightly", "schema.json", json.dumps(SCHEMA)),
    "schema.json": ("lightly", "a.json", json.dumps(LIGHTLY)),
    "open-images": ("open-images", "class-descriptions.csv", DESCRIPTIONS),
    "class-descriptions.csv": ("open-images", "a.csv", OPEN_IMAGES),
}
"""What a file is read as, with another one beside it: its name and text."""


def make_images(folder: Path) -> None:
    """Write a.jpg and b.jpg, of 64x48 pixels."""
    for seed, name in enumerate("ab"):
        make_picture(folder / f"{name}.jpg", seed)


def cases(format_name: str, seed: int = 0, flips: int = 60) -> Iterator[Case]:
    """Yield the malformed files of a format; ``flips`` are cuts and flips by chance."""
    one = VALID[format_name]
    if one.document is not None:
        yield from _documents(one.document)
    else:
        yield from _texts(one.text)
    if one.name.endswith(".xml"):
        yield from _xml(one.text)
    if format_name == "data.yaml":
        yield from _yaml()
    yield from _encodings(one.text)
    yield from _damages(one.text.encode(), random.Random(f"{format_name}{seed}"), flips)


def large_cases(format_name: str, count: int) -> Iterator[Case]:
    """Yield files of ``count`` points of an object, and of ``count`` objects."""
    outline = [(7 * n % 61, 11 * n % 47) for n in range(count)]
    yield Case(f"{count} points", _LARGE[format_name](outline).encode())
    yield Case(f"{count} objects", _MANY[format_name](count).encode())


def odd_entries(path: Path) -> dict[str, Callable[[], None]]:
    """Return ways to put something at ``path`` that is not a file to be read."""

    def unreadable() -> None:
        path.write_text("")
        path.chmod(0)

    return {
        "folder": path.mkdir,
        "FIFO": lambda: os.mkfifo(path),
        "link to itself": lambda: path.symlink_to(path.name),
        "link to nothing": lambda: path.symlink_to("nothing"),
        "link to a device": lambda: path.symlink_to("/dev/zero"),
        "unreadable": unreadable,
        "empty": path.touch,
    }


def places(value: object, way: tuple = ()) -> Iterator[tuple]:
    """Yield the way to each value inside a document, its own first."""
    yield way
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*way, key))


def replaced(document: object, way: tuple, value: object) -> object:
    """Return a copy of a document with another value at a place."""
    if not way:
        return value
    copy = deepcopy(document)
    inner = copy
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return copy


def _documents(document: object) -> Iterator[Case]:
    for way in places(document):
        if "segmentation" in way[:-1]:
            continue  # outlines are the reader's own, in tests by hand
        where = "/".join(map(str, way)) or "all"
        marked = json.dumps(replaced(document, way, HERE))
        for fragment in FRAGMENTS:
            text = marked.replace(f'"{HERE}"', fragment)
            yield Case(f"{where} is {fragment[:20]}", text.encode())
        deep = "[" * DEEP + "]" * DEEP
        yield Case(f"{where} is deep", marked.replace(f'"{HERE}"', deep).encode())
        if way and isinstance(way[-1], str):
            yield Case(f"no {where}", _without(document, way))
            pair = f'"{way[-1]}": "{HERE}"'
            twice = marked.replace(pair, f'"{way[-1]}": 1, "{way[-1]}": []')
            yield Case(f"{where} twice", twice.encode())
        elif way:
            yield Case(f"no {where}", _without(document, way))


def _without(document: object, way: tuple) -> bytes:
    copy = deepcopy(document)
    inner = copy
    for key in way[:-1]:
        inner = inner[key]
    del inner[way[-1]]
    return json.dumps(copy).encode()


def _texts(text: str) -> Iterator[Case]:
    for match in re.finditer(r"[\w.]+|[^\w\s]", text):
        for word in WORDS:
            changed = text[: match.start()] + word + text[match.end() :]
            what = f"{match[0]} at {match.start()} is {word[:20]!r}"
            yield Case(what, changed.encode(errors="surrogatepass"))
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        rest = lines[:number], lines[number + 1 :]
        yield Case(f"no line {number}", "".join((*rest[0], *rest[1])).encode())
        yield Case(f"line {number} twice", "".join((*rest[0], line, *lines)).encode())
    for end in (",x" * 30, '"', " 1" * 9):
        wide = "".join(line.rstrip("\n") + end + "\n" for line in lines)
        yield Case(f"lines end in {end[:4]}", wide.encode())


def _xml(valid: str) -> Iterator[Case]:
    head, body = valid.split("\n", 1)
    root = re.search(r"<(\w+)>", body)[1]
    deep = "<a>" * DEEP + "</a>" * DEEP
    for encoding in ("rot13", "none-such", "utf-7", "utf-16", "cp037"):
        text = head.replace("utf-8", encoding) + body
        yield Case(f"says {encoding}", text.encode())
    for what, doctype in {
        "an entity": '<!DOCTYPE a [<!ENTITY e "cat">]>',
        "a DTD elsewhere": '<!DOCTYPE a SYSTEM "none.dtd">',
        "an entity elsewhere": '<!DOCTYPE a [<!ENTITY e SYSTEM "none.txt">]>',
        "a parameter entity": '<!DOCTYPE a [<!ENTITY % e "cat">]>',
    }.items():
        text = f"{head}{doctype}{body.replace('cat', '&e;')}"
        yield Case(what, text.encode())
    yield Case("deep", body.replace(f"<{root}>", f"<{root}>{deep}").encode())
    yield Case("a deep name", body.replace("cat", deep).encode())
    spaced = body.replace(f"<{root}>", f'<{root} xmlns="u">')
    yield Case("a namespace", spaced.encode())
    yield Case("an unbound prefix", body.replace("</", "<x:y/></", 1).encode())


def _yaml() -> Iterator[Case]:
    for names in (
        *(
            "null",
            "cat",
            "7",
            "{}",
            "[]",
            "[[cat]]",
            "{cat: dog}",
            "{1: cat}",
            "[~, ~]",
        ),
        *(
            "{0: cat, 0: dog}",
            "{0: {a: b}}",
            "&a [*a]",
            "[&a [x], *a]",
            "[!!float cat]",
        ),
        *("!!python/name:os.path", "!marker [cat]", "!!timestamp cat", "!!bool cat"),
        *("!!binary cat", "!!set {cat}", "2026-13-45", "!!int cat", "[0o9, 1:99:99]"),
        *(
            "{? [cat] : dog}",
            "{? {cat: 1} : dog}",
            "*none",
            "<<: [cat]",
            "[1e400, .nan]",
        ),
        *("[" * DEEP, "9" * 5000, "0x" + "f" * 5000, "[" + "9" * 5000 + "]", "%"),
    ):
        yield Case(f"names are {names[:20]}", f"names: {names}\n".encode())


def _encodings(text: str) -> Iterator[Case]:
    accented = text.replace("cat", "caf\xe9")
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp500"):
        yield Case(f"in {encoding}", accented.encode(encoding))
    for end in ("\r\n", "\r", "\u2028", "\x00", "\x0b"):
        yield Case(f"lines end in {end!r}", text.replace("\n", end).encode())
    for content in (
        b"",
        b"\x00",
        b"\xff\xfe",
        b" ",
        b"\n",
        b"{",
        b"\x1f\x8b\x08",
        b"PK",
    ):
        yield Case(f"all of it is {content!r}", content)


def _damages(content: bytes, chance: random.Random, count: int) -> Iterator[Case]:
    for _ in range(count):
        end = chance.randrange(len(content))
        yield Case(f"cut at {end}", content[:end])
        flipped = bytearray(content)
        where = sorted(chance.sample(range(len(content)), chance.randint(1, 4)))
        for at in where:
            flipped[at] ^= 1 << chance.randrange(8)
        yield Case(f"bits flipped at {where}", bytes(flipped))


Outline = list[tuple[int, int]]


def _flat(outline: Outline) -> list[int]:
    return [value for point in outline for value in point]


def _columns(outline: Outline) -> tuple[str, str]:
    return tuple(",".join(map(str, column)) for column in zip(*outline, strict=True))


def _large_coco(outline: Outline) -> str:
    way = ("annotations", 0, "segmentation")
    return json.dumps(replaced(COCO, way, [_flat(outline)]))


def _large_opex(outline: Outline) -> str:
    return json.dumps(replaced(OPEX, ("objects", 0, "polygon", "points"), outline))


def _large_via(outline: Outline) -> str:
    columns, rows = map(list, zip(*outline, strict=True))
    shape = {"name": "polygon", "all_points_x": columns, "all_points_y": rows}
    return json.dumps(
        replaced(VIA, ("a.jpg1", "regions", 1, "shape_attributes"), shape)
    )


def _large_yolo(outline: Outline) -> str:
    fractions = (f"{x / 64} {y / 48}" for x, y in outline)
    return f"0 {' '.join(fractions)}\n"


def _large_adams(outline: Outline) -> str:
    columns, rows = _columns(outline)
    return ADAMS.replace("5,30,28", columns).replace("5,6,40", rows)


def _large_roi(outline: Outline) -> str:
    columns, rows = _columns(outline)
    return ROI.replace("5,30,28", columns).replace("5,6,40", rows)


def _large_voc(outline: Outline) -> str:
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in outline)
    return VOC.replace("</object>", f"<polygon>{points}</polygon></object>")


def _large_labelme(outline: Outline) -> str:
    return json.dumps(replaced(LABELME, ("shapes", 0, "points"), outline))


def _large_label_studio(outline: Outline) -> str:
    way = (0, "annotations", 0, "result", 2, "value", "points")
    return json.dumps(replaced(LABEL_STUDIO, way, outline))


def _large_datumaro(outline: Outline) -> str:
    way = ("items", 0, "annotations", 0, "points")
    return json.dumps(replaced(DATUMARO, way, _flat(outline)))


def _large_cvat(outline: Outline) -> str:
    points = ";".join(f"{x},{y}" for x, y in outline)
    return CVAT.replace("5,5;30,6;28,40", points)


def _large_via_csv(outline: Outline) -> str:
    columns, rows = _columns(outline)
    return VIA_CSV.replace("[5,30,28]", f"[{columns}]").replace("[5,6,40]", f"[{rows}]")


def _large_labelme_xml(outline: Outline) -> str:
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in outline)
    return LABELME_XML.replace("<polygon>", f"<polygon>{points}", 1)


def _large_createml(outline: Outline) -> str:
    way = (0, "annotations", 0, "coordinates", "x")
    return json.dumps(replaced(CREATEML, way, outline))


def _large_lightly(outline: Outline) -> str:
    return json.dumps(replaced(LIGHTLY, ("predictions", 0, "bbox"), _flat(outline)))


def _large_open_images(outline: Outline) -> str:
    return f"{OPEN_IMAGES}a,,/m/0cat,1,{','.join(map(str, _flat(outline)))}\n"


_LARGE: dict[str, Callable[[Outline], str]] = {
    "adams": _large_adams,
    "coco": _large_coco,
    "createml": _large_createml,
    "cvat": _large_cvat,
    "datumaro": _large_datumaro,
    "label-studio": _large_label_studio,
    "labelme": _large_labelme,
    "labelme-xml": _large_labelme_xml,
    "lightly": _large_lightly,
    "open-images": _large_open_images,
    "opex": _large_opex,
    "roi": _large_roi,
    "vgg": _large_via,
    "via-csv": _large_via_csv,
    "voc": _large_voc,
    "yolo": _large_yolo,
}


def _many_coco(count: int) -> str:
    one = COCO["annotations"][0]
    many = [one | {"id": number} for number in range(1, count + 1)]
    return json.dumps(COCO | {"annotations": many})


def _many_via(count: int) -> str:
    return json.dumps(
        replaced(VIA, ("a.jpg1", "regions"), VIA["a.jpg1"]["regions"][:1] * count)
    )


def _many_voc(count: int) -> str:
    start, end = VOC.index("<object>"), VOC.index("</annotation>")
    return VOC[:start] + VOC[start:end] * count + VOC[end:]


def _many_adams(count: int) -> str:
    sides = "Object.{0}.x=5\nObject.{0}.y=5\nObject.{0}.width=9\nObject.{0}.height=9\n"
    return "".join(f"{sides.format(n)}Object.{n}.type=c{n}\n" for n in range(count))


def _many_labelme(count: int) -> str:
    return json.dumps(LABELME | {"shapes": LABELME["shapes"] * (count // 3)})


def _many_label_studio(count: int) -> str:
    way = (0, "annotations", 0, "result")
    results = LABEL_STUDIO[0]["annotations"][0]["result"]
    return json.dumps(replaced(LABEL_STUDIO, way, results * (count // 3)))


def _many_datumaro(count: int) -> str:
    way = ("items", 0, "annotations")
    annotations = DATUMARO["items"][0]["annotations"]
    return json.dumps(replaced(DATUMARO, way, annotations * (count // 3)))


def _many_cvat(count: int) -> str:
    start, end = CVAT.index("<box"), CVAT.index("</image>")
    return CVAT[:start] + CVAT[start:end] * (count // 4) + CVAT[end:]


def _many_via_csv(count: int) -> str:
    rows = VIA_CSV.splitlines(keepends=True)
    return rows[0] + "".join(rows[1:3]) * (count // 2)


def _many_createml(count: int) -> str:
    way = (0, "annotations")
    return json.dumps(
        replaced(CREATEML, way, CREATEML[0]["annotations"] * (count // 2))
    )


def _many_labelme_xml(count: int) -> str:
    """Write objects each of which is a part of the one before."""
    objects = "".join(
        f"<object><name>cat</name><id>{number}</id><parts><ispartof>{number - 1}"
        "</ispartof></parts><polygon><pt><x>5</x><y>5</y></pt><pt><x>9</x><y>9</y>"
        "</pt><pt><x>5</x><y>9</y></pt></polygon></object>"
        for number in range(count)
    )
    return LABELME_XML.replace("</annotation>", f"{objects}</annotation>")


_MANY: dict[str, Callable[[int], str]] = {
    "adams": _many_adams,
    "coco": _many_coco,
    "createml": _many_createml,
    "cvat": _many_cvat,
    "datumaro": _many_datumaro,
    "label-studio": _many_label_studio,
    "labelme": _many_labelme,
    "labelme-xml": _many_labelme_xml,
    "lightly": lambda count: json.dumps(
        LIGHTLY | {"predictions": LIGHTLY["predictions"] * (count // 2)}
    ),
    "open-images": lambda count: OPEN_IMAGES + "b,,/m/0cat,1,0,1,0,1,0\n" * count,
    "opex": lambda count: json.dumps(OPEX | {"objects": OPEX["objects"] * count}),
    "roi": lambda count: ROI + "a.jpg,5,5,30,40,0,cat,0.5,,\n" * count,
    "vgg": _many_via,
    "via-csv": _many_via_csv,
    "voc": _many_voc,
    "yolo": lambda count: YOLO * count,
}
