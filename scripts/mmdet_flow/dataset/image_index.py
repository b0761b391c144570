"""The image files of a data set, to be found by what an annotation says."""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import unquote

from mmdet_flow.dataset.annotations import Problem, broken
from mmdet_flow.dataset.fields import shown
from mmdet_flow.errors import DataError
from mmdet_flow.files import read_text

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
"""What the readers of wai.annotations accept."""

OTHER_IMAGE_SUFFIXES = (".jpe", ".jfif", ".tif", ".tiff", ".webp")
"""What is found too, and can be converted to PNG."""

UNREAD_SUFFIXES = frozenset(
    (
        *(".gif", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".j2k", ".tga", ".psd"),
        *(".svg", ".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".hdr", ".ico", ".dcm"),
        *(".dng", ".cr2", ".nef", ".arw", ".raw", ".czi", ".lif", ".nd2", ".svs"),
    )
)
"""What images may be called that are not looked at."""

ANY_SUFFIX = UNREAD_SUFFIXES.union(IMAGE_SUFFIXES, OTHER_IMAGE_SUFFIXES)

Item = TypeVar("Item")


class NameIndex(Generic[Item]):
    """Things with names of images, to be found by how lists and annotations write them.

    That is with or without folders and suffix, with the suffix in capitals, in another
    Unicode form, or quoted as in web addresses; the very name wins. Dots belong to a
    name: only the suffix of an image is taken off.
    """

    def __init__(self, items: Iterable[tuple[str, Item]]) -> None:
        self._exact: dict[str, list[Item]] = {}
        self._alike: dict[str, list[Item]] = {}
        self._stems: dict[str, list[Item]] = {}
        for name, item in items:
            stem, suffix = _split_suffix(_plain(name))
            self._exact.setdefault(name, []).append(item)
            self._alike.setdefault(stem + suffix, []).append(item)
            self._stems.setdefault(stem, []).append(item)

    def find(self, name: str) -> list[Item]:
        """Return all that a name may mean, none if it is not there."""
        return next(filter(None, self._tries(name)), [])

    def find_listed(self, line: str) -> list[Item]:
        """Return all that a line of a list may mean.

        An image whose name another one has, too, is called after one of its folders.
        """
        *folders, name = _parts(line)
        prefixed = (self._exact.get(f"{folder}_{name}") for folder in folders)
        return next(filter(None, prefixed), None) or self.find(line)

    def _tries(self, name: str) -> Iterator[list[Item] | None]:
        plain = _plain(name)
        stem, suffix = _split_suffix(plain)
        yield self._exact.get(_parts(name)[-1])
        yield self._alike.get(stem + suffix)
        yield self._stems.get(plain)
        yield self._stems.get(stem)


def read_list(path: Path) -> list[str]:
    """Return the lines of a list of images, empty ones too; DataError if it is none."""
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.split("\n")]


def _parts(name: str) -> list[str]:
    """Return folders and file name, of a path of whatever system."""
    return name.strip().replace("\\", "/").split("/")


def _plain(name: str) -> str:
    """Return a file name without quotes of web addresses, in one Unicode form."""
    return unicodedata.normalize("NFC", _parts(unquote(_parts(name)[-1]))[-1])


def _split_suffix(name: str) -> tuple[str, str]:
    """Return what is before the suffix of an image, and that in small letters."""
    stem, suffix = os.path.splitext(name)
    return (stem, suffix.lower()) if suffix.lower() in ANY_SUFFIX else (name, "")


class ImageIndex:
    """The image files below a folder, to be found by what an annotation says.

    Attributes:
        paths: the images.
        unread: files that have the name of an image of a kind that is not looked at.
    """

    def __init__(self, folder: Path) -> None:
        files = [path for path in folder.rglob("*") if _is_file(path, ANY_SUFFIX)]
        self.unread = sorted(path for path in files if _is_file(path, UNREAD_SUFFIXES))
        self.paths = sorted(set(files).difference(self.unread))
        self._names = NameIndex((path.name, path) for path in self.paths)
        self._unread_names = NameIndex((path.name, path) for path in self.unread)

    def find(self, annotation: Path, name: str) -> Path | Problem:
        """Return the image called ``name``, as an annotation file says.

        Of several of that name it is the one in the folders that ``name`` states, or
        else the one whose folders are most like those of the annotation.
        """
        found = self._candidates(annotation, name)
        if len(found) == 1:
            return found[0]
        if not found:
            what = f"no image {shown(name)}{self._hint(name)}"
            return Problem("missing-image", annotation, "", what)
        names = " and ".join(f"{path.parent.name}/{path.name}" for path in found[:3])
        what = f"{shown(name)} may be {names}"
        return Problem("ambiguous-image", annotation, "", what, images=found)

    def find_stated(self, annotation: Path, stated: str, own: str) -> Path | Problem:
        """Return the image of an annotation file that states a name, for one image.

        The file has the name of its image, too, ``own``, which counts where no image
        has the stated one. Where both are there and differ, nobody knows which.
        """
        image = self.find(annotation, stated or own)
        same = self.find(annotation, own)
        if isinstance(image, Problem):
            return image if isinstance(same, Problem) else same
        if isinstance(same, Problem) or same == image:
            return image
        what = f"it names {image.name}, and is itself called like {same.name}"
        return Problem("ambiguous-image", annotation, "", what, images=(image, same))

    def broken(self, annotation: Path, name: str, error: DataError | str) -> Problem:
        """Return the problem of a file that cannot be read, with the image ``name``."""
        return broken(annotation, error, images=self._candidates(annotation, name))

    def _hint(self, name: str) -> str:
        for path in self._unread_names.find(name):
            return f"; {path.name} is there, and such files are not read"
        return ""

    def _candidates(self, annotation: Path, name: str) -> tuple[Path, ...]:
        found = self._names.find(name)
        if len(found) > 1:
            stated = _parts(name)[:-1]
            found = _best(found, lambda path: _shared(_folders(path), stated, -1))
        if len(found) > 1:
            found = _nearest(found, _folders(annotation))
        return tuple(found)


def _is_file(path: Path, suffixes: Iterable[str]) -> bool:
    return path.suffix.lower() in suffixes and path.is_file()


def _nearest(found: list[Path], folders: list[str]) -> list[Path]:
    """Return the paths that have most folders in common, first or last ones.

    Where the first ones tell another path than the last ones, all are returned.
    """
    first = _best(found, lambda path: _shared(_folders(path), folders, 1))
    last = _best(found, lambda path: _shared(_folders(path), folders, -1))
    if len(last) > 1:
        return first if len(first) == 1 else last
    return last if len(first) > 1 or first == last else found


def _best(found: list[Path], value) -> list[Path]:
    values = [value(path) for path in found]
    return [path for path, one in zip(found, values, strict=True) if one == max(values)]


def _folders(path: Path) -> list[str]:
    return os.path.abspath(path).split("/")[:-1]


def _shared(one: list[str], other: list[str], step: int) -> int:
    """Return how many folders are the same, from the first on, or from the last."""
    pairs = zip(one[::step], other[::step], strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other))
    )
