"""The package of a model: one file with all that prediction needs, and its hashes.

A zip archive. ``manifest.json`` lists each other member with its size and SHA-256.
Members lie side by side and are not compressed: they are read where they are, and the
bytes of a package depend on its members alone.
"""

import hashlib
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mmdet_flow import layout
from mmdet_flow.archives import UnsafeArchive, open_archive, require_plain_files
from mmdet_flow.clock import source_date_epoch
from mmdet_flow.errors import ModelError
from mmdet_flow.files import new_file, sha256_of_stream

FORMAT = "mmdet-flow package 1"
MANIFEST = "manifest.json"
CHECKPOINT = layout.CHECKPOINT.name
CONFIG = layout.CONFIG.name
THRESHOLDS = layout.THRESHOLDS.name
CLASSES = layout.CLASSES.name
TILES = "tiles.json"
CARD = "model_card.md"
LICENSE = "LICENSE.txt"

REQUIRED = (CHECKPOINT, CONFIG, CLASSES)
LARGEST_MANIFEST = 1 << 20
MOST_MEMBERS = 64
FIRST_TIME = 315_532_800
"""1980-01-01 in seconds of Unix; zip archives know no earlier time."""


def write_package(path: Path, members: Mapping[str, bytes], about: dict) -> None:
    """Write a package; ``about`` joins the manifest.

    Times are SOURCE_DATE_EPOCH, or 1980. Raises UsageError where that is no number.
    """
    manifest = about | {
        "format": FORMAT,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_archive(path, {**members, MANIFEST: text.encode()})


def write_archive(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip archive whose bytes depend on its members and SOURCE_DATE_EPOCH."""
    date = _date()
    with new_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, date)
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def open_package(path: Path) -> zipfile.Path:
    """Check a package against its manifest, and return the folder that it stands for.

    Raises ModelError when it is missing, damaged, changed, or not a package.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would wait
            raise _Refused("is no file")
        archive = open_archive(path.open("rb"), MOST_MEMBERS)
        _check(archive)
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such package; check the path") from None
    except (_Refused, UnsafeArchive) as reason:
        raise ModelError(f"{path}: {reason}; get the package again") from None
    except Exception as error:  # a damaged file may raise anything in zipfile
        raise ModelError(
            f"{path}: is damaged, or not a package: {error}; get the package again"
        ) from None
    return zipfile.Path(archive)


class _Refused(Exception):
    """What is wrong with a package that can be read."""


def _check(archive: zipfile.ZipFile) -> None:
    require_plain_files(archive)
    infos = {info.filename: info for info in archive.infolist()}
    files = _files(archive, infos)
    for name in [*REQUIRED, *files]:
        if name not in infos or name not in files:
            raise _Refused(f"{name} is missing")
    if strange := infos.keys() - files.keys() - {MANIFEST}:
        raise _Refused(f"{min(strange)} is not in its manifest")
    for name, sha256 in files.items():
        with archive.open(name) as stream:
            if sha256_of_stream(stream) != sha256:
                raise _Refused(f"{name} is not the one of its manifest (SHA-256)")


def _files(archive: zipfile.ZipFile, infos: Mapping) -> dict[str, str]:
    """Return the SHA-256 of each member, as the manifest says."""
    if MANIFEST not in infos or infos[MANIFEST].file_size > LARGEST_MANIFEST:
        raise _Refused(f"has no {MANIFEST}; it is not of mmdet-flow handover package")
    try:
        manifest = json.loads(archive.read(MANIFEST))
        if manifest["format"] != FORMAT:
            raise _Refused(f"is a {str(manifest['format'])[:80]!r}, not a {FORMAT!r}")
        return {name: own["sha256"] for name, own in manifest["files"].items()}
    except (AttributeError, KeyError, TypeError, RecursionError):
        raise _Refused(
            f"its {MANIFEST} is not of mmdet-flow handover package"
        ) from None


def _date() -> tuple[int, ...]:
    return time.gmtime(max(FIRST_TIME, source_date_epoch() or 0))[:6]
