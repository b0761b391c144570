"""Short texts that change when files do, which Snakemake compares with the last run's.

Snakemake itself sees the time of a folder, and that changes when an entry comes or
goes: not when a file is written in place, and not inside of folders in the folder.

Text counts by its content: a copy or a checkout with other times is the same. Images,
and files above LARGE bytes, count by name, size and time of the last change (ns), so
that nothing large is read. An image that is overwritten by as many bytes, and given its
old time again, passes for the old one.
"""

import ast
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from mmdet_flow.inference.folder import SUFFIXES

LARGE = 64 * 2**20
"""Bytes of a file above which its content is not read."""

IMAGES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff"),
        *(".webp", ".gif", ".avif", ".jp2", ".tga", ".pgm", ".ppm", ".pnm", ".heic"),
    )
)
"""Suffixes of what counts as an image, whether it can be converted or not."""

LITTER = frozenset((".DS_Store", "Thumbs.db", "desktop.ini", ".snakemake_timestamp"))
"""Files that others put into folders."""

CLASS_LISTS = re.compile(
    r"(data|dataset)\.ya?ml|.*\.(names|data|labels)|_?(labels|classes|names)\.(txt|csv)"
    r"|.*class-descriptions.*\.csv|schema\.json"
)
"""Names of the files beside annotations that may name their classes."""

ABOVE = 2
"""So many folders above the annotations may hold such a file."""


def of_annotations(place: Path, without: Collection[Path] = ()) -> str:
    """Return the digest of annotations, a folder or a file, and of what names classes.

    Folders that are in ``without``, and hidden ones, are left out.
    """
    _require(place)
    place = Path(os.path.abspath(place))
    parents = list(place.parents)[:ABOVE]
    lists = (path for folder in parents for path in _class_lists(folder))
    found = _files(place, without) if place.is_dir() else [place]
    return _digest(place, [*(path for path in found if not _is_image(path)), *lists])


def of_images(folder: Path, without: Collection[Path] = ()) -> str:
    """Return the digest of the images of a folder, those of folders inside too."""
    _require(folder)
    folder = Path(os.path.abspath(folder))
    return _digest(folder, filter(_is_image, _files(folder, without)))


def of_files(*files: Path | str | None) -> str:
    """Return the digest of single files; those that are not there count, too."""
    return _hash(
        b"%b\0%b\n" % (os.fsencode(path), _mark(Path(path)).encode())
        for path in files
        if path is not None
    )


def of_names(folder: Path) -> str:
    """Return the digest of the names of the images that are to be predicted."""
    _require(folder)
    suffixes = tuple(map(os.fsencode, SUFFIXES))
    names = os.listdir(os.fsencode(folder))
    return _hash(
        (b"\n".join(sorted(n for n in names if n.lower().endswith(suffixes))),)
    )


def of_listed(folder: Path, image_list: Path) -> str:
    """Return the digest of the images that a list names, in its order."""
    _require(folder)
    text = image_list.read_bytes()
    # A dry run asks this of a million images: no Path is made of them.
    names = (
        json.loads(name) if name[:1] == b'"' else name for name in text.split(b"\n")
    )
    root = os.fsencode(folder)
    states = (_state(os.path.join(root, os.fsencode(name))) for name in names if name)
    return _hash((text, "\n".join(states).encode()))


def of_config(path: Path) -> str:
    """Return the digest of a model config, and of the files that it inherits from."""
    path, found = Path(os.path.abspath(path)), {}
    waiting = [path]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = _mark(one)
            waiting += _bases(one) if one.is_file() else []
    lines = (f"{os.path.relpath(one, path.parent)}\0{found[one]}" for one in found)
    return _hash(os.fsencode(f"{line}\n") for line in sorted(lines))


def _class_lists(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if CLASS_LISTS.fullmatch(name) and (folder / name).is_file():
            yield folder / name


def _require(place: Path) -> None:
    """Raise FileNotFoundError, which has Snakemake ask again when the place is made."""
    os.stat(str(place))


def _files(folder: Path, without: Collection[Path]) -> Iterator[Path]:
    """Yield the regular files below a folder, in a fixed order."""
    left_out = {os.path.abspath(path) for path in without}
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name[0] != "." and os.path.join(place, name) not in left_out
        )
        for name in sorted(names):
            if name not in LITTER:
                yield Path(place, name)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _digest(root: Path, files: Iterable[Path]) -> str:
    names = ((os.path.relpath(path, root), path) for path in files)
    return _hash(
        b"%b\0%b\n" % (os.fsencode(name), _mark(path).encode()) for name, path in names
    )


def _mark(path: Path) -> str:
    """Return what stands for the content of a file."""
    state = _state(path)
    size = int(state.split()[0]) if state[0].isdigit() else None
    if size is None or size > LARGE or _is_image(path):
        return state
    return _content(path, state)


@cache
def _content(path: Path, state: str) -> str:
    """Return the SHA-256 of a file; ``state`` has it read anew when it changed."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        return f"unread: {error.strerror}"


def _state(path: Path | bytes) -> str:
    """Return size and time of a regular file, or why it has none."""
    try:
        status = os.stat(path)
    except OSError as error:
        return f"none: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "none: not a file"
    return f"{status.st_size} {status.st_mtime_ns}"


def _hash(lines: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for line in lines:
        total.update(line)
    return total.hexdigest()


def _bases(path: Path) -> list[Path]:
    """Return the files that a config inherits from, as far as they are its own."""
    try:
        text = path.read_text(encoding="utf-8")
        look = _bases_in_python if path.suffix == ".py" else _bases_in_yaml
        names = list(look(text))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []  # mmdet_config says what is wrong
    found = (Path(os.path.abspath(path.parent / name)) for name in names)
    return [one for one in found if one.is_file()]


def _bases_in_python(text: str) -> Iterator[str]:
    """Yield what ``_base_`` names, and the modules that are imported by dots."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_base_"
            for target in node.targets
        ):
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value
        elif isinstance(node, ast.ImportFrom) and node.level:
            above = "../" * (node.level - 1)
            module = (node.module or "").replace(".", "/")
            yield f"{above}{module}.py"
            for part in node.names:
                yield f"{above}{module}/{part.name}.py"


def _bases_in_yaml(text: str) -> list[str]:
    """Return what ``_base_`` of a JSON or YAML config names."""
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return []
    named = content.get("_base_") if isinstance(content, dict) else None
    named = named if isinstance(named, list) else [named]
    return [one for one in named if isinstance(one, str)]
