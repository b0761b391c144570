"""VGG Image Annotator: JSON files of several images each."""

from collections.abc import Iterator, Mapping
from functools import partial
from math import degrees

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    broken,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    named,
    outline,
    parsed,
    sequence,
    shown,
    text,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.shapes import ellipse, polygon
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

LABEL = "type"
"""The region attribute that names the class."""

Options = Mapping[str, Mapping[str, str]]
"""The name that a person reads, by region attribute and id of its option."""

SIDES = ("x", "y", "width", "height")
POINTS = ("all_points_x", "all_points_y")


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, an export of annotations or a saved project."""
    for path in source.files("*.json"):
        try:
            content = mapping(read_json(path), "it")
            options = _options(content)
            entries = mapping(content.get("_via_img_metadata", content), "it")
            if entries and not any(_is_image(entry) for entry in entries.values()):
                raise DataError("it has no images with filename and regions")
        except DataError as error:
            yield broken(path, error)
            continue
        for key, entry in entries.items():
            try:
                name, items = _read_entry(entry)
            except DataError as error:
                yield broken(path, error, f"image {shown(key)}")
                continue
            read_one = partial(_read_object, options=options)
            objects = read_objects(path, items, read_one, f"{name}, region")
            yield from image_or_problems(path, index.find(path, name), None, objects)


def _is_image(entry: object) -> bool:
    return isinstance(entry, dict) and {"filename", "regions"} <= entry.keys()


def _read_entry(entry: object) -> tuple[str, list]:
    """Return the name and the regions of an image."""
    entry = mapping(entry, "it")
    name = text(member(entry, "filename"), "filename")
    regions = member(entry, "regions")
    if isinstance(regions, dict):
        # Version 1 of the annotator numbers the regions as keys.
        regions = list(regions.values())
    return name, sequence(regions, "regions")


def _read_object(region: object, place: str, options: Options) -> AnnotatedObject:
    region = mapping(region, "it")
    keys = ("shape_attributes", "region_attributes")
    shape, attributes = (mapping(member(region, key), key) for key in keys)
    return read_region(shape, attributes, place, options)


def read_region(
    shape: dict, attributes: dict, place: str, options: Options
) -> AnnotatedObject:
    """Read a shape with the attributes that name its class."""
    label, name = label_of(attributes, options), member(shape, "name")

    def values(*keys: str) -> Iterator[float]:
        return (parsed(member(shape, key), key) for key in keys)

    if name == "rect":
        return AnnotatedObject(label, tuple(values(*SIDES)), place)
    if name in ("polygon", "polyline"):
        corners = outline(*(_numbers(shape, key) for key in POINTS))
        return polygon(label, corners, place)
    if name == "circle":
        x, y, radius = values("cx", "cy", "r")
        return ellipse(label, (x, y), (radius, radius), place)
    if name == "ellipse":
        x, y, *radii = values("cx", "cy", "rx", "ry")
        turn = degrees(parsed(shape.get("theta") or 0, "theta"))
        return ellipse(label, (x, y), tuple(radii), place, turn)
    raise Malformed(f"its shape is {named(name)}, which encloses nothing")


def _numbers(shape: dict, key: str) -> list[float]:
    return [parsed(value, key) for value in sequence(member(shape, key), key)]


def label_of(attributes: dict, options: Options) -> str:
    """Return the class: the attribute ``type``, or the only one that there is.

    An attribute with options holds their ids. Of checkboxes it is the one that is
    ticked; there is no class where none or several are.
    """
    name = LABEL
    if LABEL not in attributes and len(attributes) == 1:
        name = next(iter(attributes))
    value = attributes.get(name, "")
    if isinstance(value, dict):
        ticked = [option for option, is_ticked in value.items() if is_ticked]
        value = ticked[0] if len(ticked) == 1 else ""
    chosen = text(value, f"the region attribute {named(name)}")
    return options.get(name, {}).get(chosen, chosen)


def _options(project: dict) -> Options:
    """Return the names of the options of each region attribute of a saved project."""
    found: dict[str, dict[str, str]] = {}
    attributes = project.get("_via_attributes")
    regions = attributes.get("region") if isinstance(attributes, dict) else None
    for name, attribute in regions.items() if isinstance(regions, dict) else ():
        options = attribute.get("options") if isinstance(attribute, dict) else None
        for key, said in options.items() if isinstance(options, dict) else ():
            if isinstance(said, str) and said.strip():
                found.setdefault(name, {})[key] = text(said, "an option")
    return found


FORMAT = AnnotationFormat(read)
