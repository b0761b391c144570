"""Label Studio: JSON and JSON-MIN, with the regions of several images a file."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    Problem,
    Read,
    Source,
    broken,
    image_or_problems,
)
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    named,
    number,
    pairs,
    parsed,
    sequence,
    shown,
    text,
    whole,
)
from mmdet_flow.dataset.image_index import ANY_SUFFIX, ImageIndex
from mmdet_flow.dataset.masks import (
    Frame,
    Size,
    frame_of,
    masked,
    pixels_of_brush,
    without_image,
)
from mmdet_flow.dataset.shapes import ellipse, polygon, read_shapes, rectangle
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json
from mmdet_flow.images import MAX_PIXELS

LABELS = "labels"
"""How the key of a region ends that has its classes: rectanglelabels, or labels."""

OF_RESULT = ("id", "original_width", "original_height", "image_rotation", "item_index")
"""What JSON has beside the value of a region, and JSON-MIN in it."""

PLACE = ("x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points")
"""What says where a region is; that of a brush is its ``rle``."""

EXPORTED = ("annotation_id", "annotator")
"""Keys of an item of JSON-MIN."""

ANSWERS = "answers and relations"
"""What regions may be besides shapes."""

PREFIX = re.compile("[0-9a-f]{8}-")
"""What an upload puts before the name of a file."""


@dataclass
class Task:
    """An image and the annotation of it that counts.

    Attributes:
        data: what the task is about: values by name, one of which is the image.
        regions: each with place and classes in one mapping, numbered as in the file;
            None if nobody annotated the image.
        aside: how many things of each kind do not count.
    """

    data: dict
    regions: list[tuple[int, object]] | None
    aside: Counter = field(default_factory=Counter)


def read(
    source: Source, index: ImageIndex, annotator: str | None = None
) -> Iterator[AnnotatedImage | Problem]:
    """Read each JSON, an export of tasks in either form.

    Of several annotations of an image the ground truth counts, or else the newest.
    Cancelled ones, drafts and predictions are left aside, and with an annotator those
    of all others.
    """
    uploads = _Uploads(index)
    for path in source.files("*.json"):
        try:
            tasks = _by_task(read_json(path), annotator)
        except DataError as error:
            yield broken(path, error)
            continue
        aside: Counter = Counter()
        for place, read_task in tasks:
            try:
                task = read_task()
                aside += task.aside
                if task.regions is None:
                    continue
                name = text(_image_name(task.data, uploads), "its image")
            except Malformed as error:
                yield broken(path, error, place)
            else:
                yield from _read_image(path, task, name, uploads)
        for what, count in aside.items():
            yield Problem("left-aside", path, "", f"{what}: {count}")


def annotators(source: Source) -> dict[str, Read]:
    """Return what reads the annotations of each annotator, by his number.

    A file that cannot be read has none; ``read`` says what is wrong with it.
    """
    known = {name for path in source.files("*.json") for name in _annotators_of(path)}
    return {
        name: partial(read, annotator=name) for name in sorted(known, key=_in_order)
    }


def _in_order(name: str) -> tuple:
    return len(name), name  # the numbers by their value


def _annotators_of(path: Path) -> Iterator[str]:
    try:
        content = read_json(path)
    except DataError:
        return
    items = content if isinstance(content, list) else [content]
    for item in items:
        if isinstance(item, dict):
            given = _annotations(item)
            for one in given if isinstance(given, list) else [item]:
                if name := _annotator(one):
                    yield name


def _annotator(annotation: object) -> str | None:
    """Return the number of whoever made an annotation, in either form, if it counts."""
    if not isinstance(annotation, dict) or _is_cancelled(annotation):
        return None
    who = annotation.get("completed_by", annotation.get("annotator"))
    who = who.get("id") if isinstance(who, dict) else who
    return str(who) if isinstance(who, int | str) else None


def _by_task(
    content: object, annotator: str | None
) -> list[tuple[str, Callable[[], Task]]]:
    """Return the place of each task, and what reads it; DataError for another file."""
    items = [content] if isinstance(content, dict) else sequence(content, "it")
    known = [item for item in items if isinstance(item, dict)]
    if any("data" in one and _annotations(one) is not None for one in known):
        return [
            (_place(one, n), partial(_of_json, one, annotator))
            for n, one in _numbered(items)
        ]
    if any(key in one for one in known for key in EXPORTED):
        tasks: dict[tuple, list] = {}
        for n, one in _numbered(items):
            image = tuple(_names(one).values()) if isinstance(one, dict) else n
            tasks.setdefault((_place(one, n), image), []).append(one)
        return [
            (place, partial(_of_min, all_, annotator))
            for (place, _), all_ in tasks.items()
        ]
    raise DataError("it has no annotated tasks of Label Studio")


def _numbered(items: Iterable) -> Iterator[tuple[int, object]]:
    return enumerate(items, 1)


def _place(item: object, number_of: int) -> str:
    """Return how a task is called: by its id, or by which one of the file it is."""
    key = item.get("id") if isinstance(item, dict) else None
    return f"task {shown(key)}" if isinstance(key, int | str) else f"item {number_of}"


def _annotations(item: dict) -> object:
    return item.get("annotations", item.get("completions"))  # their name until 1.0


def _of_json(item: object, annotator: str | None) -> Task:
    """Read a task with its annotations, or those of an annotator."""
    item = mapping(item, "it")
    data = mapping(member(item, "data"), "data")
    annotations = [
        mapping(one, "an annotation")
        for one in sequence(_annotations(item) or [], "annotations")
        if annotator in (None, _annotator(one))
    ]
    given = [one for one in annotations if not _is_cancelled(one)]
    aside = Counter()
    aside["cancelled annotations"] = len(annotations) - len(given)
    aside["annotations besides the one that counts"] = max(len(given) - 1, 0)
    for key in ("predictions", "drafts"):
        aside[key] = len(sequence(item.get(key) or [], key))
    if not given:
        return Task(data, None, aside)
    result = sequence(max(given, key=_rank).get("result") or [], "result")
    return _sorted_out(data, map(_flat, result), aside)


def _of_min(items: list, annotator: str | None) -> Task:
    """Read the items of one task, an annotation each."""
    items = [mapping(item, "it") for item in items]
    given = [
        one
        for one in items
        if one.get("annotation_id") is not None and annotator in (None, _annotator(one))
    ]
    if not given:
        return Task(items[0], None)
    chosen = max(given, key=_rank)
    lists = (value for value in chosen.values() if isinstance(value, list))
    found = [one for values in lists for one in values]
    regions = [one for one in found if isinstance(one, dict)]
    aside = Counter({"annotations besides the one that counts": len(given) - 1})
    aside[ANSWERS] = len(found) - len(regions)  # some are text alone
    return _sorted_out(chosen, regions, aside)


def _is_cancelled(annotation: dict) -> bool:
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _rank(annotation: dict) -> tuple:
    """Return what is greatest for the annotation that counts."""
    written = annotation.get("updated_at") or annotation.get("created_at")
    return annotation.get("ground_truth") is True, str(written or "")


def _flat(result: object) -> object:
    """Return a region of JSON in the form of JSON-MIN: all in one mapping."""
    if not isinstance(result, dict) or "value" not in result:
        return result  # a relation, for instance
    beside = {key: result[key] for key in OF_RESULT if key in result}
    value = result["value"]
    return value | beside if isinstance(value, dict) else value


def _sorted_out(data: dict, found: Iterable[object], aside: Counter) -> Task:
    """Return a task with the regions that are shapes; answers to questions are none."""
    numbered = list(_numbered(found))
    named_ones = {_identity(one) for _, one in numbered if _labels_key(one)}
    regions = []
    for pair in numbered:
        one = pair[1]
        if not isinstance(one, dict) or _labels_key(one):
            regions.append(pair)
        elif not _is_place(one):
            aside[ANSWERS] += 1
        elif _identity(one) not in named_ones:
            regions.append(pair)
    return Task(data, regions, aside)


def _labels_key(region: object) -> str | None:
    """Return the key of a region's classes."""
    keys = region if isinstance(region, dict) else ()
    return next((key for key in keys if key.endswith(LABELS)), None)


def _is_place(region: dict) -> bool:
    """Whether a region without classes says where something is, and nothing else."""
    own = region.keys() - {*OF_RESULT, *PLACE, "rle", "format", "closed"}
    return not own and bool(region.keys() & {*PLACE, "rle"})


def _identity(region: dict) -> str:
    """Return what a shape shares with the classes that were given to it apart."""
    return repr(region.get("id") or [region.get(key) for key in PLACE])


def _image_name(data: Mapping, uploads: "_Uploads") -> str:
    """Return the name of the image, among the values that a task has."""
    names = _names(data)
    if "image" in names or len(names) == 1:
        return names.get("image") or next(iter(names.values()))
    there = [name for name in names.values() if uploads.has(name)]
    if len(there) == 1:
        return there[0]
    if names:
        raise Malformed(f"it has several images: {', '.join(map(shown, names))}")
    raise Malformed("its data names no image")


def _names(data: Mapping) -> dict[str, str]:
    """Return the values that name images, as files, by their keys."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    names = {key: _file_of(value) for key, value in texts.items()}
    return {
        key: name
        for key, name in names.items()
        if key == "image" or PurePosixPath(name).suffix.lower() in ANY_SUFFIX
    }


def _file_of(address: str) -> str:
    """Return the path of a file that an address means, with its folders."""
    if "://" not in address and not address.startswith("/data/"):
        return address
    try:
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return address
    return local[0] if local else unquote(parts.path)


class _Uploads:
    """The images, to be found by the names that Label Studio gives to uploads."""

    def __init__(self, index: ImageIndex) -> None:
        self._index = index
        self._cleaned: dict[str, list[str]] = {}
        for path in index.paths:
            self._cleaned.setdefault(_cleaned(path.name), []).append(path.name)

    def find(self, annotation: Path, name: str) -> Path | Problem:
        """Return the image: of the very name, or else without what uploads change."""
        found = self._index.find(annotation, name)
        if not (isinstance(found, Problem) and found.check == "missing-image"):
            return found
        bare = PurePosixPath(name.replace("\\", "/")).name
        bare = PREFIX.sub("", bare, count=1) if PREFIX.match(bare) else bare
        for known in (bare, *self._cleaned.get(bare, ())[:1]):
            again = self._index.find(annotation, known)
            if not (isinstance(again, Problem) and again.check == "missing-image"):
                return again
        return found

    def has(self, name: str) -> bool:
        return isinstance(self.find(Path(name), name), Path)


def _cleaned(name: str) -> str:
    """Return a file name as an upload writes it: no spaces, and few other signs."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _read_image(
    path: Path, task: Task, name: str, uploads: _Uploads
) -> Iterator[AnnotatedImage | Problem]:
    image, size = uploads.find(path, name), None
    for _, region in task.regions:
        try:
            size = size or _size(mapping(region, "it"))
        except Malformed:
            continue
    read_one = partial(_read_region, frame=frame_of(image, size))
    place = f"{name}, region"
    objects = read_shapes(path, task.regions, read_one, lambda _: None, place)
    yield from image_or_problems(path, image, size, objects)


def _size(region: dict) -> Size:
    """Return (width, height) of the image that a region was drawn on."""
    keys = ("original_width", "original_height")
    width, height = (whole(member(region, key), key) for key in keys)
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise Malformed(f"it was drawn on {width}x{height} pixels")
    return width, height


def _read_region(region: object, place: str, frame: Frame) -> AnnotatedObject:
    """Read a region; its numbers are percents of the image."""
    region = mapping(region, "it")
    for key in ("image_rotation", "item_index"):
        if region.get(key):
            raise Malformed(f"its {key} is {shown(region[key])}; only 0 is read")
    label = _label(region)
    # What was imported as a prediction may not say what it was drawn on.
    size = _size(region) if "original_width" in region else frame()
    if size is None:
        return without_image(label, place)

    def pixels(key: str) -> float:
        side = size[key in ("y", "height", "radiusY")]
        return number(parsed(member(region, key), key) * side / 100, key)

    degrees = parsed(region.get("rotation") or 0, "rotation")
    if "rle" in region:
        return _brush(label, region["rle"], size, frame(), place)
    if "points" in region:
        points = pairs(sequence(region["points"], "points"), "a point")
        sides = (size * len(points))[: len(points)]
        scaled = (value * side / 100 for value, side in zip(points, sides, strict=True))
        return polygon(label, tuple(number(v, "a point") for v in scaled), place)
    if "radiusX" in region:
        x, y, *radii = map(pixels, ("x", "y", "radiusX", "radiusY"))
        return ellipse(label, (x, y), tuple(radii), place, degrees)
    if "height" in region:
        box = tuple(map(pixels, ("x", "y", "width", "height")))
        return rectangle(label, box, place, degrees, pivot=box[:2])
    raise Malformed(f"it is of {named(_labels_key(region))}, which enclose nothing")


def _label(region: dict) -> str:
    """Return the class of a region, which has to be one."""
    key = _labels_key(region)
    labels = sequence(region[key], key) if key else []
    if len(labels) > 1:
        raise Malformed(f"its {key} are {shown(labels)}; it needs one")
    return text(labels[0], f"its {key}") if labels else ""


def _brush(
    label: str, rle: object, size: Size, frame: Size | None, place: str
) -> AnnotatedObject:
    if frame is None:
        return without_image(label, place)
    if frame != size:
        raise Malformed(
            f"it was painted on {size[0]}x{size[1]} pixels, its image has "
            f"{frame[0]}x{frame[1]}"
        )
    try:
        content = bytes(sequence(rle, "its rle"))
    except (TypeError, ValueError):
        raise Malformed("its rle is no list of bytes") from None
    return masked(label, pixels_of_brush(content, size), (0, 0), frame, place)


FORMAT = AnnotationFormat(read, annotators=annotators)
