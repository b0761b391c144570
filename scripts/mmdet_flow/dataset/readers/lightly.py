"""Lightly: one JSON an image, and for all of a task a schema.json with its classes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Source,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.coco import reference
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    named,
    parsed,
    sequence,
    text,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers.coco import read_names
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json

SCHEMA, TASKS = "schema.json", "tasks.json"
"""Files that are of no image: the classes of a task, and the names of all tasks."""

TASK = "object-detection"
CERTAIN = (None, 0, 1)
"""Scores of what was annotated: tools write one of them, since there has to be one."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON; its image is ``file_name``, wherever that lies."""
    schemas = _Schemas()
    for path in source.files("*.json"):
        if path.name in (SCHEMA, TASKS):
            continue
        try:
            content = mapping(read_json(path), "it")
            items = sequence(member(content, "predictions"), "predictions")
            name = text(member(content, "file_name"), "file_name")
            names = schemas.names_for(path)
        except DataError as error:
            yield index.broken(path, path.stem, error)
            continue
        if scored := sum(map(_is_scored, items)):
            yield Problem("left-aside", path, "", f"scores of a model: {scored}")
        objects = read_objects(path, items, partial(_read_object, names=names))
        yield from image_or_problems(path, index.find(path, name), None, objects)


class _Schemas:
    """The classes of tasks, to be found by the files of their folders."""

    def __init__(self) -> None:
        self._names: dict[Path, dict[object, str] | DataError] = {}

    def names_for(self, path: Path) -> Mapping[object, str]:
        """Return the class of each id; DataError without a schema that is read."""
        folder = path.parent
        if folder not in self._names:
            try:
                self._names[folder] = _names_above(path)
            except DataError as error:
                self._names[folder] = error
        found = self._names[folder]
        if isinstance(found, DataError):
            raise found
        return found


def _names_above(path: Path) -> dict[object, str]:
    """Read the nearest schema of the folders that a file is in."""
    schemas = (folder / SCHEMA for folder in path.absolute().parents)
    schema = next(filter(Path.is_file, schemas), None)
    if schema is None:
        raise DataError(f"no {SCHEMA} in its folder, nor above, names its classes")
    try:
        content = mapping(read_json(schema), "it")
        task = content.get("task_type", TASK)
        if task != TASK:
            raise Malformed(f"its task_type is {named(task)}; {TASK} alone is read")
        return read_names(sequence(member(content, "categories"), "categories"))
    except DataError as error:
        raise DataError(f"{SCHEMA} of its task: {error}") from None


def _is_scored(item: object) -> bool:
    return isinstance(item, dict) and item.get("score") not in CERTAIN


def _read_object(
    item: object, place: str, names: Mapping[object, str]
) -> AnnotatedObject:
    item = mapping(item, "it")
    label = names[reference(item, "category_id", names)]
    bbox = _box(sequence(member(item, "bbox"), "bbox"))
    return AnnotatedObject(label, bbox, place)


def _box(values: Sequence) -> tuple[float, ...]:
    if len(values) != 4:
        raise Malformed(f"its bbox has {len(values)} numbers, not 4")
    return tuple(parsed(value, "a number of its bbox") for value in values)


FORMAT = AnnotationFormat(read, beside=r"(schema|tasks)\.json")
