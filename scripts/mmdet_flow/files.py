"""Files that are whole or not there, and that change only when their content does."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdet_flow.errors import DataError, FlowError


@contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; at the end it replaces ``path``, if its bytes differ.

    When the block raises, ``path`` stays as it was and the temporary file is gone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if not (path.is_file() and _same_bytes(temporary, path)):
            _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_if_changed(path: Path | str, content: str | bytes) -> None:
    """Write a whole file, atomically, unless it already holds these bytes."""
    with new_file(path) as temporary:
        if isinstance(content, str):
            content = content.encode()
        temporary.write_bytes(content)


def write_json(path: Path | str, value: object) -> None:
    """Write JSON with sorted keys, one item a line where lists are short."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    write_if_changed(path, text + "\n")


def read_json(path: Path | str) -> object:
    """Read a JSON file; a file that is missing or broken is a DataError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


def sha256_of(path: Path | str) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file's content at ``target``: by a hard link, or a copy across disks."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise FlowError(f"{source}: cannot be copied: {error}") from None


def _same_bytes(left: Path, right: Path) -> bool:
    if left.stat().st_size != right.stat().st_size:
        return False
    return left.read_bytes() == right.read_bytes()


def _publish(temporary: Path, path: Path) -> None:
    """Make the temporary file durable, give it the usual mode, and rename it."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    with open(temporary, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)
