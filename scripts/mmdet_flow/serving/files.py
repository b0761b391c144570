"""Files that requests name: read below one folder, whatever the name says."""

import os
import stat
from pathlib import Path

from mmdet_flow.serving.inbox import Refused, refuse_large

OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Links were followed before, and nothing that is opened makes us wait."""


def read_below(root: Path, name: bytes, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most ``max_bytes`` below a folder.

    Links are followed while they stay below it. Raises Refused, in words that tell
    nothing of where the folder is. ``root`` is resolved.
    """
    try:
        path = (root / os.fsdecode(name)).resolve()
        if not path.is_relative_to(root):
            raise Refused("the path leaves the folder of the images")
        file = _open_below(root, path.relative_to(root).parts)
        try:
            return _read(file, max_bytes)
        finally:
            os.close(file)
    except OSError as error:
        raise Refused(f"the path cannot be read: {error.strerror}") from None
    except RuntimeError:
        raise Refused("the path cannot be read: its links go in a circle") from None
    except ValueError as error:
        raise Refused(f"the path cannot be read: {error}") from None


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """Open a file step by step: what became a link since it was resolved is refused."""
    current = os.open(root, OPEN | os.O_DIRECTORY)
    for number, part in enumerate(parts, 1):
        flags = os.O_DIRECTORY if number < len(parts) else 0
        try:
            following = os.open(part, OPEN | flags, dir_fd=current)
        finally:
            os.close(current)
        current = following
    return current


def _read(file: int, max_bytes: int) -> bytes:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise Refused("the path cannot be read: it is no regular file")
    refuse_large(found.st_size, max_bytes)
    content = bytearray()
    while len(content) < found.st_size:
        if not (more := os.read(file, found.st_size - len(content))):
            break
        content += more
    return bytes(content)
