"""How files of weights are checked: by the SHA-256 that is known of them."""

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

from mmdet_flow.errors import UsageError
from mmdet_flow.files import sha256_of, write_if_changed

IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")
"""The beginning of the SHA-256 that names of published weights end with."""

NOTE = ".sha256"
"""What the name of the note beside a file ends with, which has its SHA-256."""

IN_NOTE = re.compile(r"([0-9a-f]{64}) [ *]\S")
GIVEN = re.compile("[0-9a-f]{8,64}")

ZIP = b"PK\3\4"
BEGINNINGS = (ZIP, b"\x80\2")
"""Of files of torch: since 1.6, and before."""


def hash_in(name: str) -> str:
    """Return the beginning of the SHA-256 in the name of a file, "" without one."""
    found = IN_NAME.search(name)
    return found[1] if found else ""


def known_hashes(path: Path, *others: str) -> list[str]:
    """Return what the SHA-256 of a file must begin with: by its name, and its note.

    And by ``others``, of which empty ones say nothing.
    """
    return [one for one in (hash_in(path.name), _noted(path), *others) if one]


def note(path: Path, sha256: str) -> None:
    """Write the SHA-256 of a file beside it, as ``sha256sum --check`` reads it."""
    write_if_changed(_note_of(path), f"{sha256}  {path.name}\n")


def fault_of(path: Path, hashes: Iterable[str]) -> str:
    """Return what shows that a file is not the one that is wanted, or nothing.

    ``hashes`` are beginnings of its SHA-256; all of them must fit.
    """
    with path.open("rb") as stream:
        beginning = stream.read(4)
    if not beginning.startswith(BEGINNINGS):
        return "it holds no weights of torch"
    if beginning == ZIP and not zipfile.is_zipfile(path):
        return "its end is missing"
    return mismatch(path, hashes)


def mismatch(path: Path, hashes: Iterable[str]) -> str:
    """Return which of these beginnings the SHA-256 of a file does not have, if any."""
    hashes = list(hashes)
    sha256 = sha256_of(path) if hashes else ""
    wrong = [one for one in hashes if not sha256.startswith(one)]
    if not wrong:
        return ""
    return f"its SHA-256 begins with {sha256[: len(wrong[0])]}, not {wrong[0]}"


def require_sha256(text: str) -> None:
    """Raise UsageError for what is no SHA-256, nor the beginning of one."""
    if text and not GIVEN.fullmatch(text):
        raise UsageError(
            f"--sha256 {text}: is none; it has 8 to 64 digits, from 0 to f"
        )


def _noted(path: Path) -> str:
    try:
        found = IN_NOTE.match(_note_of(path).read_text(errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + NOTE)
