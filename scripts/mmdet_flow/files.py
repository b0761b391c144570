"""Files that are whole or not there, and that change only when their content does."""

import codecs
import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mmdet_flow import cli
from mmdet_flow.errors import DataError, FlowError, UsageError
from mmdet_flow.memory import memory_size

NAME_MAX = 255
"""Bytes that the name of a file may have, on all usual disks."""

StoredFile = Path | zipfile.Path
"""A file of its own, or one that is read inside a zip archive."""

Identity = tuple[int, ...]
"""What tells that a file is still the one that was read, as ``identity_of`` gives."""

UMASK = os.umask(0)
"""Asked once: asking changes it for a moment, in which a thread may make a file."""

os.umask(UMASK)

MODE = 0o666 & ~UMASK
"""Of the files that are made: the usual one."""


@contextlib.contextmanager
def new_file(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; at the end it replaces ``path``, if its bytes differ.

    When the block raises, ``path`` stays as it was and the temporary file is gone.
    What a killed process left has a fixed name, so the next writer takes it over.
    """
    path = Path(path)
    with _part(path) as (temporary, _):
        yield temporary
        if path.is_file() and _same_bytes(temporary, path):
            temporary.unlink()
        else:
            publish(temporary, path)


@contextlib.contextmanager
def _part(path: Path) -> Iterator[tuple[Path, int]]:
    """Make the temporary file of a new one, with a handle that locks it.

    It is gone when the block raises.
    """
    temporary = path.with_name(_temporary_name(path.name))
    try:
        handle = _take(temporary)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(temporary)
    try:
        yield temporary, handle
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # a full disk is not told with a name
        raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def growing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that ``publish`` makes the file; until then it stays.

    So the next writer goes on with what one that failed or was killed has left. Waits
    while another process writes it: look then whether ``path`` is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(_temporary_name(path.name))
    handle = _take(temporary, anew=False)
    try:
        yield temporary
    finally:
        if temporary.exists() and not temporary.stat().st_size:
            temporary.unlink()
        os.close(handle)


_locks: set[int] = set()
"""Open handles that lock a folder or a note for this process."""


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
def held_note(folder: Path, text: str) -> Iterator[None]:
    """Keep a file with this text in a folder, locked, as long as the block runs.

    Raises OSError where that cannot be. What a killed process leaves is unlocked, and
    ``held_notes`` removes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", dir=folder)
    _locks.add(handle)
    note = Path(name)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(handle, text.encode())
        note = note.rename(folder / note.name.removeprefix("."))  # whole, and locked
        yield
    finally:
        if handle in _locks:
            note.unlink(missing_ok=True)
            _locks.remove(handle)
            os.close(handle)


def held_notes(folder: Path) -> Iterator[str]:
    """Yield the texts that processes hold in a folder at the moment, this one too."""
    for note in sorted(folder.glob("[!.]*")):
        with contextlib.suppress(OSError, UnicodeError), open(note) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield stream.read()
            else:
                note.unlink()


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """Make a folder and those around it; what of them is empty goes after an error.

    Those that another process makes meanwhile are left to that one.
    """
    made: list[Path] = []
    try:
        for one in (*reversed(folder.parents), folder):
            with contextlib.suppress(FileExistsError):
                if not one.is_dir():
                    one.mkdir()
                    made.append(one)
        folder.mkdir(exist_ok=True)  # an error where it is a file
        yield
    except BaseException:
        for one in reversed(made):
            with contextlib.suppress(OSError):
                one.rmdir()
        raise


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make a folder, and lock it; DataError if another process writes there.

    It is gone after an error if nothing was written there.
    """
    refusal = "another process writes here; wait for it, or use another folder"
    with (
        new_folder(folder),
        locked(folder, lambda: DataError(f"{folder}: {refusal}")),
    ):
        yield


@contextlib.contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder, gone at the end with what a killed run left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def require_writable(path: Path) -> None:
    """Make the folder of a file that is written at the end; DataError if none can be.

    So that it is said before the work, not after it.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder; name a file")
    require_writable_folder(path.parent)


def require_writable_folder(folder: Path) -> None:
    """Make a folder if it is not there; DataError if no file can be made in it."""
    what = "cannot be made"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        what = "no file can be made there"
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(
            f"{folder}: {what}: {error.strerror}; choose another folder"
        ) from None


def keep_inputs(outputs: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """UsageError if a file would be written over one that is read, by any name.

    Nor may two outputs be one file. Inputs may be a million, so each is looked at once,
    and none where nothing is written.
    """
    if not (outputs := list(outputs)):
        return
    read = set(map(place_of, set(filter(None, inputs))))
    written: set[str] = set()
    for output in outputs:
        if place_of(output) in read:
            raise UsageError(f"{output}: is what is read; name another output")
        if (place := os.path.realpath(output)) in written:
            raise UsageError(f"{output}: is named for two outputs; name another file")
        written.add(place)


def keep_apart(output: Path, *inputs: Path) -> None:
    """UsageError if a folder is an input, inside one, or around one, by any name."""
    where = Path(os.path.realpath(output))
    for one in inputs:
        there = Path(os.path.realpath(one))
        inside = any(_is_same(folder, there) for folder in (where, *where.parents))
        around = any(_is_same(folder, where) for folder in there.parents)
        if inside or around:
            how = "is inside" if inside else "holds"
            how = "is" if _is_same(where, there) else how
            raise UsageError(
                f"{output}: {how} {one}, which is read; choose a folder apart from it"
            )


def identity_of(status: os.stat_result) -> Identity:
    """Return what changes when a file is replaced or written."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times


def as_text(name: str) -> str:
    """Return a file name as valid text: bytes that are no UTF-8 become ``\\udcXX``."""
    return name.encode("utf-8", "backslashreplace").decode()


def write_if_changed(path: Path | str, content: str | bytes) -> None:
    """Write a whole file, atomically, unless it already holds these bytes."""
    if isinstance(content, str):
        # Names of files may be no UTF-8; in JSON this is how they are written.
        content = content.encode(errors="backslashreplace")
    path = Path(path)
    with _part(path) as (temporary, handle):
        if _holds(path, content):
            temporary.unlink()
            return
        # There is a file for each image, and to open it once more takes its time.
        with open(handle, "wb", closefd=False) as stream:
            stream.write(content)
        _publish(handle, temporary, path)


def write_json(path: Path | str, value: object) -> None:
    """Write JSON with sorted keys, an item a line."""
    write_if_changed(path, json_text(value))


def json_text(value: object) -> str:
    """Return JSON with sorted keys, an item a line."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def beside(path: StoredFile, suffix: str) -> StoredFile:
    """Return the file that is called as this one, but for the end of its name."""
    return path.parent / (Path(path.name).stem + suffix)


def read_whole(path: StoredFile) -> bytes:
    """Return the content of a file; DataError if there is none that can be read.

    What is no file, as a pipe or a device, is refused.
    """
    try:
        require_file(path)
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    except ValueError as error:  # a NUL in the path
        raise DataError(f"{str(path)!r}: {error}; check the path") from None
    except MemoryError:
        raise DataError(f"{path}: is larger than the memory; divide it") from None


def require_file(path: StoredFile) -> None:
    """DataError for what is there, and is no file or a larger one than the memory.

    A pipe would wait, a device not end, and holes in a file make it as large as one.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no file; give a file")
    if isinstance(path, Path) and path.exists() and path.stat().st_size > memory_size():
        raise DataError(f"{path}: is larger than the memory; divide it")


MARKED = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32-LE",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32-BE",
    codecs.BOM_UTF16_LE: "UTF-16-LE",
    codecs.BOM_UTF16_BE: "UTF-16-BE",
}
"""Byte order marks, which editors put before a text, and the encodings they mean."""


def read_text(path: StoredFile) -> str:
    """Return the text of a file, its line ends as they are; DataError if it is none.

    It is UTF-8, or what a byte order mark at its beginning says, which is no text.
    """
    content = read_whole(path)
    mark = next(filter(content.startswith, MARKED), b"")
    encoding = MARKED.get(mark, "UTF-8")
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        raise DataError(
            f"{path}: is not {encoding} at byte {at}; save it as UTF-8"
        ) from None


def read_json(path: StoredFile | str) -> object:
    """Read a JSON file; a file that is missing or broken is a DataError."""
    path = Path(path) if isinstance(path, str) else path
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    except RecursionError:
        raise DataError(f"{path}: not valid JSON: nested too deeply") from None


def read_json_lines(path: Path) -> list[dict]:
    """Return the whole lines of a file of JSON lines; none if it is not there."""
    if not path.is_file():
        return []
    lines = read_text(path).splitlines(keepends=True)
    try:
        return [json.loads(line) for line in lines if line[-1:] == "\n"]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not lines of JSON: {error}; make it again") from None


def read_yaml(path: Path, as_text: bool = False) -> object:
    """Read a YAML file; a file that is missing or broken is a DataError.

    ``as_text`` leaves all values and keys as they are written: YAML takes no and on for
    truth values, 1e3 for a number, and 2024-01-01 for a date.
    """
    import yaml

    text = read_text(path)
    try:
        return yaml.load(text, yaml.BaseLoader if as_text else yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = f"line {line}: {error.problem or error.context}"
        raise DataError(f"{path}, {what}; fix it") from None
    except RecursionError:
        raise DataError(f"{path}: no YAML: nested too deeply; fix it") from None
    except (*_OF_YAML, yaml.YAMLError) as error:
        what = " ".join(str(error).split())
        raise DataError(f"{path}: no YAML: {what}; fix it") from None


_OF_YAML = (ValueError, TypeError, KeyError, AttributeError, OverflowError)
"""What PyYAML raises besides its own errors: values that their tags do not fit."""


def read_table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table; none if it is not there."""
    if not path.is_file():
        return []
    stream = io.StringIO(read_text(path), newline="")
    try:
        return list(csv.DictReader(stream, delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{path}: no table: {error}; make it again") from None


def sha256_of(path: StoredFile | str) -> str:
    """Return the SHA-256 of a file's content in hexadecimal; DataError without it."""
    path = Path(path) if isinstance(path, str) else path
    try:
        require_file(path)
        with path.open("rb") as stream:
            return sha256_of_stream(stream)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None


def sha256_of_stream(stream: BinaryIO) -> str:
    """Return the SHA-256 of what is left in a stream, in hexadecimal."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """Put a file's content at ``target``: by a hard link, or a copy across disks.

    A copy is whole or not there.
    """
    try:
        os.link(source.resolve(), target)
    except OSError:
        try:
            with new_file(target) as temporary:
                shutil.copyfile(source, temporary)
        except OSError as error:
            reason = error.strerror or error
            raise FlowError(
                f"{target}: {source} cannot be copied there: {reason}"
            ) from None


def place_of(path: Path) -> tuple[int, int] | str:
    """Return what two names of one file have in common."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # it is not there yet
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def places_around(path: Path) -> set[tuple[int, int] | str]:
    """Return what ``place_of`` says of a path and of the folders that it is in."""
    real = Path(os.path.realpath(path))
    return set(map(place_of, (path, real, *real.parents)))


def is_inside(path: Path, place: Path) -> bool:
    """Whether a path is a place, or in that folder, by any name."""
    return place_of(place) in places_around(path)


def _is_same(left: Path, right: Path) -> bool:
    try:
        return left.samefile(right)
    except (OSError, ValueError):  # one of them is not there yet
        return os.path.realpath(left) == os.path.realpath(right)


def _temporary_name(name: str) -> str:
    """Return the hidden name beside a file; a hash where it would be too long."""
    temporary = f".{name}.part"
    if len(os.fsencode(temporary)) > NAME_MAX:
        temporary = f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.part"
    return temporary


def _holds(path: Path, content: bytes) -> bool:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return False
    is_like = stat.S_ISREG(status.st_mode) and status.st_size == len(content)
    return is_like and path.read_bytes() == content


def _same_bytes(left: Path, right: Path) -> bool:
    if left.stat().st_size != right.stat().st_size:
        return False
    return left.read_bytes() == right.read_bytes()


def _take(temporary: Path, anew: bool = True) -> int:
    """Make a file, or wait until its writer is done; return a handle that locks it.

    ``anew`` empties it.
    """
    while True:
        # Ours to write, whatever mode it has in the end.
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT, MODE | 0o600)
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            status = os.fstat(handle)
            if os.path.samestat(status, os.stat(temporary)):
                if anew and status.st_size:
                    os.truncate(handle, 0)
                return handle
        os.close(handle)  # its writer has published or removed it


def publish(temporary: Path, path: Path) -> None:
    """Make the temporary file durable, give it the usual mode, and rename it."""
    with open(temporary, "rb") as stream:
        _publish(stream.fileno(), temporary, path)


def _publish(handle: int, temporary: Path, path: Path) -> None:
    # What is set to what it is costs a disk as much as a change.
    if stat.S_IMODE(os.fstat(handle).st_mode) != MODE:
        os.fchmod(handle, MODE)
    os.fsync(handle)
    os.replace(temporary, path)
