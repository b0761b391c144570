"""Files that are whole or not there, and that change only when their content does."""

import contextlib
import csv
import fcntl
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.errors import DataError, FlowError

StoredFile = Path | zipfile.Path
"""A file of its own, or one that is read inside a zip archive."""

UMASK = os.umask(0)
"""Asked once: asking changes it for a moment, in which a thread may make a file."""

os.umask(UMASK)


@contextlib.contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; at the end it replaces ``path``, if its bytes differ.

    When the block raises, ``path`` stays as it was and the temporary file is gone.
    What a killed process left has a fixed name, so the next writer takes it over.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    handle = _take(temporary)
    try:
        yield temporary
        if path.is_file() and _same_bytes(temporary, path):
            temporary.unlink()
        else:
            _publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


_locks: set[int] = set()
"""Open handles that lock a folder for this process."""


def _leave_locks() -> None:
    """Close them in a forked process, or they would outlive the one that took them."""
    for handle in _locks:
        os.close(handle)
    _locks.clear()


os.register_at_fork(after_in_child=_leave_locks)


@contextlib.contextmanager
def locked(folder: Path, refusal: Callable[[], FlowError]) -> Iterator[None]:
    """Lock a folder for this process; raises the refusal if another one has it.

    The lock is of the folder, wherever it is moved, and ends with the process.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    _locks.add(handle)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal() from None
        except OSError:
            cli.log.warning("%s: its file system has no locks", folder)
        yield
    finally:
        if handle in _locks:
            _locks.remove(handle)
            os.close(handle)


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder, gone at the end with what a killed run left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def write_if_changed(path: Path | str, content: str | bytes) -> None:
    """Write a whole file, atomically, unless it already holds these bytes."""
    with new_file(path) as temporary:
        if isinstance(content, str):
            content = content.encode()
        temporary.write_bytes(content)


def write_json(path: Path | str, value: object) -> None:
    """Write JSON with sorted keys, an item a line."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    write_if_changed(path, text + "\n")


def read_json(path: StoredFile | str) -> object:
    """Read a JSON file; a file that is missing or broken is a DataError."""
    path = Path(path) if isinstance(path, str) else path
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table; none if it is not there."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def sha256_of(path: StoredFile | str) -> str:
    """Return the SHA-256 of a file's content in hexadecimal; DataError without it."""
    path = Path(path) if isinstance(path, str) else path
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None


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


def _take(temporary: Path) -> int:
    """Make a file, or wait until its writer is done; return a handle that locks it."""
    while True:
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), os.stat(temporary)):
                os.truncate(handle, 0)
                return handle
        os.close(handle)  # its writer has published or removed it


def _publish(temporary: Path, path: Path) -> None:
    """Make the temporary file durable, give it the usual mode, and rename it."""
    os.chmod(temporary, 0o666 & ~UMASK)
    with open(temporary, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(temporary, path)
