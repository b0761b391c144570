"""Zip archives of strangers: what is in them is known before any of it is read.

Packages, checkpoints and graphs in int8 are archives of stored members. Their directory
says how long each is and where it lies, and that is held against the length of the
file, so that nothing small can become large.
"""

import stat
import unicodedata
import zipfile
from itertools import pairwise
from pathlib import PureWindowsPath
from typing import BinaryIO

MOST_MEMBERS = 100_000
"""A checkpoint has one for each tensor, a training state some thousand."""

UNIX = 3
BYTES_OF_ENTRY = 256
"""In the directory, with a name of usual length."""

HEADER = 30
"""Bytes before the name of a member, where it lies."""

END, END_64 = b"PK\5\6", b"PK\6\6"
LONGEST_END = (1 << 16) + 22 + 20 + 56
"""Bytes of the longest end: a comment, and the records of both forms."""


class UnsafeArchive(ValueError):
    """What an archive may not hold."""


def open_archive(stream: BinaryIO, most: int = MOST_MEMBERS) -> zipfile.ZipFile:
    """Open an archive of stored members, of at most so many.

    Raises UnsafeArchive, or what zipfile raises for a file that is no archive.
    """
    size = stream.seek(0, 2)
    _require_few(stream, size, most)
    archive = zipfile.ZipFile(stream)
    infos = archive.infolist()
    if len(infos) > most:
        raise UnsafeArchive(f"holds {len(infos)} members, more than {most}")
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise UnsafeArchive(f"{info.filename!r} is compressed or encrypted")
        if info.file_size != info.compress_size:
            raise UnsafeArchive(f"{info.filename!r} has two sizes")
    _require_apart(infos, size)
    return archive


def require_undamaged(archive: zipfile.ZipFile) -> None:
    """Refuse an archive of which a byte changed; torch does not look at checksums."""
    if damaged := archive.testzip():
        raise UnsafeArchive(f"{damaged!r} is damaged (CRC-32); get the file again")


def require_plain_files(archive: zipfile.ZipFile) -> None:
    """Refuse members that are no files side by side, whoever unpacks them where.

    Nothing is unpacked here, but others may unpack it. Raises UnsafeArchive.
    """
    seen: dict[str, str] = {}
    for info in archive.infolist():
        name = info.filename
        if name in ("", ".", "..") or PureWindowsPath(name).name != name:
            raise UnsafeArchive(f"names a member {name!r}, which lies outside of it")
        if not name.isprintable() or name != info.orig_filename:
            raise UnsafeArchive(f"names a member {info.orig_filename!r}")
        if name != name.strip() or name.endswith("."):
            raise UnsafeArchive(f"names a member {name!r}, with a dot or space around")
        _require_file(info)
        same = unicodedata.normalize("NFKC", name).casefold()
        if other := seen.get(same):
            twice = "holds a member twice"
            both = f"{twice} where {other!r} and {name!r} are one"
            raise UnsafeArchive(twice if name == other else both)
        seen[same] = name


def _require_file(info: zipfile.ZipInfo) -> None:
    """Refuse what Unix would not make a file of, or one with rights of its own."""
    mode = info.external_attr >> 16 if info.create_system == UNIX else 0
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.is_dir():
        raise UnsafeArchive(f"{info.filename!r} is a link, folder or device")
    if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise UnsafeArchive(f"{info.filename!r} would run with rights of its owner")


def _require_few(stream: BinaryIO, size: int, most: int) -> None:
    """Refuse a long directory before zipfile makes an object of each entry."""
    stream.seek(max(0, size - LONGEST_END))
    tail = stream.read()
    stream.seek(0)
    lengths = [
        int.from_bytes(tail[place + offset :][:width], "little")
        for mark, width, offset in ((END, 4, 12), (END_64, 8, 40))
        if (place := tail.rfind(mark)) >= 0 and place + offset + 8 <= len(tail)
    ]
    # 46 bytes and a name each; the short record is full where the long one counts.
    if min(lengths, default=0) > BYTES_OF_ENTRY * most:
        raise UnsafeArchive(f"has a directory of more than {most} members")


def _require_apart(infos: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse members that share bytes, or lie beyond the end."""
    spans = sorted((info.header_offset, info.file_size) for info in infos)
    for (start, length), (following, _) in pairwise([*spans, (size, 0)]):
        if start < 0 or start + HEADER + length > following:
            raise UnsafeArchive("has members that lie in each other")
