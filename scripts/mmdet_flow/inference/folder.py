"""The folder that images come from: listing, waiting, and keeping others out."""

import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from mmdet_flow import cli
from mmdet_flow.dataset.image_index import IMAGE_SUFFIXES, OTHER_IMAGE_SUFFIXES
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import Identity, identity_of, locked, read_whole

SUFFIXES = IMAGE_SUFFIXES + OTHER_IMAGE_SUFFIXES
FAILED = "failed"
"""The folder of images that cannot be predicted, inside that of the results."""

NOTICE = 0.5
"""Seconds until a stop is noticed while nothing arrives."""

PATIENCE = 30.0
"""Seconds after the last change of a file in which its writer may only be pausing."""


def list_images(folder: Path, image_list: Path | None = None) -> list[Path]:
    """Return the images of a folder by name, or those that a list names.

    Raises DataError if there is no such folder or list, and for a list that names what
    is not in the folder, or two images of one name: results are told apart by it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; check --prediction_in")
    if image_list is not None:
        return _listed_images(folder, image_list)
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}; check the folder") from None
    return sorted(found)


def _listed_images(folder: Path, image_list: Path) -> list[Path]:
    root = Path(os.path.abspath(folder))
    images: dict[str, Path] = {}
    for name in _names_in(image_list):
        path = Path(os.path.abspath(root / name))
        if not path.is_relative_to(root):
            raise DataError(
                f"{image_list}: {listed(name)} is not in {folder}; list images of that "
                "folder"
            )
        image = folder / path.relative_to(root)
        if images.setdefault(image.name, image) != image:
            both = " and ".join(listed(str(i)) for i in (images[image.name], image))
            raise DataError(
                f"{image_list}: {both} have one name, and so would their results; "
                "predict each folder by itself, into another folder"
            )
    return [*images.values()]


def _names_in(image_list: Path) -> Iterator[str]:
    # Names of files need not be valid text.
    text = read_whole(image_list).decode("utf-8-sig", "surrogateescape")
    lines = text.splitlines()
    return filter(None, (_listed_name(line.strip()) for line in lines))


def listed(name: str) -> str:
    """Return a name as a list has it: a line, quoted as in JSON if it must be."""
    plain = name.isprintable() and name == name.strip() and name[0] != '"'
    return name if plain else json.dumps(name)


def _listed_name(line: str) -> str:
    if line.startswith('"') and line.endswith('"'):
        with suppress(ValueError):  # a name may begin and end so
            return json.loads(line)
    return line


def shard_of(images: list[Path], shard: str) -> list[Path]:
    """Return part K of N equal parts, in order; ``shard`` is "K/N", K from 0."""
    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and int(number) < int(count)):
        raise UsageError(f"--shard {shard}: write it as K/N, with K from 0 to N-1")
    ends = [len(images) * k // int(count) for k in (int(number), int(number) + 1)]
    return images[ends[0] : ends[1]]


@contextmanager
def only_process(*folders: Path) -> Iterator[None]:
    """Lock folders for this process; DataError if another one works on them."""
    with ExitStack() as locks:
        for folder in folders:
            locks.enter_context(locked(folder, partial(_refusal, folder)))
        yield


def _refusal(folder: Path) -> DataError:
    return DataError(
        f"{folder}: another process predicts here; wait for it, or use another folder"
    )


def is_young(path: Path) -> bool:
    """Whether the writer of a file may only be pausing."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return False
    age = time.time() - status.st_mtime
    return stat.S_ISREG(status.st_mode) and 0 <= age < PATIENCE


def watch(
    folder: Path,
    wait: float,
    use_watchdog: bool,
    stop: threading.Event,
    max_files: int = -1,
    failed: Path | None = None,
) -> Iterator[Path | None]:
    """Yield images as they arrive until ``stop`` is set, and None after each look.

    A look yields ``max_files`` images at most, if that is not negative.

    An image counts as arrived when it did not change between two looks at the folder,
    so none is read while it is still being written. One that stays is yielded again
    when it changes, and when it is no longer young. Those in ``failed`` are yielded
    when they change.
    """
    before: dict[Path, Identity] = {}
    offered: dict[Path, tuple[Identity, bool]] = {}
    with _changes(folder, use_watchdog) as changed:
        while not stop.is_set():
            now = {path: status for path in _look(folder) if (status := _state(path))}
            for path in _look(failed) if failed and failed.is_dir() else ():
                now[path] = _state(path)
                if path not in before and not is_young(path):
                    offered.setdefault(path, (now[path], False))
            offered = {path: offered[path] for path in offered if path in now}
            left = max_files
            for path, state in now.items():
                if before.get(path) != state or not left or stop.is_set():
                    continue
                last, was_young = offered.get(path, (None, False))
                if last != state or (was_young and not is_young(path)):
                    left -= 1
                    offered[path] = state, is_young(path)
                    yield path
            yield None
            # What is new is looked at again soon, even when no event tells of it.
            _pause(min(wait, 1.0) if now != before else wait, changed, stop)
            before = now


def _state(path: Path) -> Identity | None:
    """Return what tells of a change, of a link itself if it leads nowhere."""
    for look in (os.stat, os.lstat):
        with suppress(OSError):
            return identity_of(look(path))
    return None


def _pause(seconds: float, changed: threading.Event, stop: threading.Event) -> None:
    """Wait so long at most, until something changed or ``stop`` is set."""
    end = time.monotonic() + seconds
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        if changed.wait(min(left, NOTICE)):
            changed.clear()
            return


def _look(folder: Path) -> list[Path]:
    """Return the images of a folder; none while it is away."""
    try:
        return list_images(folder)
    except DataError as error:
        cli.log.warning("%s; waiting for it", str(error).partition(";")[0])
        return []


@contextmanager
def _changes(folder: Path, use_watchdog: bool) -> Iterator[threading.Event]:
    """Give an event; the file system's reports of changes set it, if they are used."""
    changed = threading.Event()
    if not use_watchdog:
        yield changed
        return
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event) -> None:
            changed.set()

    observer = Observer()
    observer.daemon = True
    observer.schedule(Handler(), str(folder))
    observer.start()
    try:
        yield changed
    finally:
        observer.stop()
