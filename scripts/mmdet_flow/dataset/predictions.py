"""Predictions as OPEX files hold them, with the images that they are of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmdet_flow import cli, layout
from mmdet_flow.dataset.annotations import AnnotatedObject, Problem
from mmdet_flow.dataset.fields import (
    Malformed,
    mapping,
    member,
    number,
    sequence,
    text,
)
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.pixels import read_size
from mmdet_flow.dataset.readers import opex
from mmdet_flow.dataset.split import read_split
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json, read_table, sha256_of

Size = tuple[int, int]
"""(width, height) in pixels."""


@dataclass(frozen=True)
class PredictedObject(AnnotatedObject):
    """An object that a model found.

    Its outlines are those of OPEX: points of whole pixels, which are counted from 0,
    through the middles of the outermost ones.

    Attributes:
        score: from 0 to 1, or None where the file has none.
    """

    score: float | None = None


@dataclass(frozen=True)
class Opex:
    """What an OPEX file says.

    Attributes:
        name: the file name of the image.
        time: when it was predicted, as it stands there, or None.
        meta: of the model, and of the image.
    """

    name: str
    time: str | None
    objects: tuple[PredictedObject, ...]
    meta: Mapping[str, str]


@dataclass(frozen=True)
class PredictedImage:
    """An image with the objects that a model found in it.

    Attributes:
        file: the OPEX file.
        image: the image file.
        sha256: of the image file.
        size: (width, height) in pixels, as it was seen, so after its EXIF rotation.
        objects: in the order of the file.
        name: a file name that no other image of the predictions has.
    """

    file: Path
    image: Path
    sha256: str
    size: Size
    objects: tuple[PredictedObject, ...]
    name: str = ""
    time: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)


def read_opex(path: Path) -> Opex:
    """Read an OPEX file; DataError where it is none."""
    return _checked(path, read_json(path))


def _checked(path: Path, content: object) -> Opex:
    try:
        return opex_of(mapping(content, "it"))
    except Malformed as error:
        raise DataError(f"{path}: {error}; predict again") from None


def opex_of(content: dict) -> Opex:
    """Return what the content of an OPEX file says; Malformed where it is none."""
    time = content.get("timestamp")
    meta = content.get("meta") or {}
    items = sequence(member(content, "objects"), "objects")
    return Opex(
        text(member(content, "id"), "its id"),
        None if time is None else text(time, "its timestamp"),
        tuple(_read_object(*one) for one in enumerate(items, 1)),
        {key: text(value, key) for key, value in mapping(meta, "its meta").items()},
    )


def _read_object(place: int, item: object) -> PredictedObject:
    try:
        found = opex.read_object(item, f"object {place}")
        score = item.get("score")
        return PredictedObject(
            found.label,
            found.bbox,
            found.place,
            found.polygons,
            score=None if score is None else number(score, "its score"),
        )
    except Malformed as error:
        raise Malformed(f"object {place}: {error}") from None


def read_predictions(
    folder: Path, images: Path | None = None, only: Path | None = None
) -> list[PredictedImage]:
    """Return the images of the OPEX files below a folder, in the order of their names.

    ``folder`` may be that of an experiment. Images are looked for in ``images``, or
    beside the predictions, and ``only`` is a list of those that are wanted. Those that
    could not be predicted, and files that are no OPEX, are left aside, in a line.
    Raises DataError where nothing is there, where an image is not, or is another one
    than the one that was predicted: its size or, where a manifest lies with the
    predictions, its content tells.
    """
    folder = predictions_below(folder)
    index = ImageIndex(images or folder)
    found, others, failed = [], [], []
    for path in sorted(folder.rglob("*.json")):
        if not _is_opex(content := read_json(path)):
            others.append(path)
        elif (one := _checked(path, content)).meta.get("error"):
            failed.append(path)
        else:
            found.append((path, one))
    _log_aside(others, "no OPEX")
    _log_aside(failed, "of images that could not be predicted")
    if not found:
        raise DataError(f"{folder}: holds no predictions (OPEX); predict first")
    if only is not None:
        wanted = set(read_split([one.name for _, one in found], only))
        found = [pair for pair in found if pair[1].name in wanted]
    listed = dict(_hashes(folder))
    total = len(found)
    read = (_with_image(*one, index, listed) for one in found)
    return _named(cli.progress(read, total, "read"))


def predictions_below(folder: Path) -> Path:
    """Return the folder of the predictions: of an experiment, or the folder itself."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; check the path")
    own = folder / layout.PREDICTED_IMAGES.parent
    return own if own.is_dir() else folder


def _is_opex(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("objects"), list)


def _log_aside(files: list[Path], what: str) -> None:
    if files:
        are = "file is" if len(files) == 1 else "files are"
        cli.log.warning(
            "%d %s %s, and left aside, such as %s", len(files), are, what, files[0]
        )


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the SHA-256 of each image in a manifest of predictions."""
    for path in sorted(folder.rglob(layout.MANIFEST.name)):
        for row in read_table(path):
            if row.get("file") and row.get("sha256"):
                yield row["file"], row["sha256"]


def _with_image(
    path: Path, found: Opex, index: ImageIndex, listed: Mapping[str, str]
) -> PredictedImage:
    image = _image_of(path, found.name, index)
    sha256 = sha256_of(image)
    if listed.get(found.name, sha256) != sha256:
        raise DataError(
            f"{image}: is not the image that was predicted, as its SHA-256 in the "
            "manifest says; give the folder that was predicted with --images"
        )
    size = _size_of(path, found.meta, image)
    about = {"time": found.time, "meta": found.meta}
    return PredictedImage(path, image, sha256, size, found.objects, **about)


def _image_of(path: Path, name: str, index: ImageIndex) -> Path:
    """Return the image of an OPEX file: the one that it names, or of its own name."""
    image = index.find(path, name)
    if isinstance(image, Problem) and image.check == "missing-image":
        own = index.find(path, path.stem)
        image = own if isinstance(own, Path) else image
    if isinstance(image, Problem):
        raise DataError(
            f"{path}: {image.what}; give the folder that was predicted with --images"
        )
    return image


def _size_of(path: Path, meta: Mapping[str, str], image: Path) -> Size:
    size = read_size(image, oriented=True)
    stated = meta.get("width"), meta.get("height")
    if None not in stated and stated != tuple(map(str, size)):
        raise DataError(
            f"{image}: has {size[0]}x{size[1]} pixels, and {path.name} is of "
            f"{'x'.join(stated)}; give the folder that was predicted with --images"
        )
    return size


def _named(images: Iterable[PredictedImage]) -> list[PredictedImage]:
    """Return the images with names that differ before the suffix, too.

    An image is called after its result, in which prediction made names differ. Signs
    that cannot be printed, and backslashes, become an underscore: some formats cannot
    hold them.
    """
    taken: set[str] = set()
    named = []
    for one in images:
        stem = "".join(
            sign if sign.isprintable() and sign != "\\" else "_"
            for sign in one.file.stem
        )
        tries = (stem, *(f"{stem}-{number}" for number in range(1, len(taken) + 2)))
        own = next(name for name in tries if name.lower() not in taken)
        taken.add(own.lower())
        named.append(replace(one, name=own + one.image.suffix))
    return named
