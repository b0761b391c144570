"""The weights that this machine keeps, and how they are checked.

They are files in the folder ``weights`` of the cache, each under its published name,
with its SHA-256 in a file beside it that ``sha256sum --check`` reads.
"""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mmdet_flow import cli
from mmdet_flow.cache import default_cache
from mmdet_flow.errors import ModelError, UsageError, did_you_mean
from mmdet_flow.files import growing_file, new_file, publish, sha256_of
from mmdet_flow.model.weights.checks import (
    fault_of,
    hash_in,
    known_hashes,
    mismatch,
    note,
    require_sha256,
)
from mmdet_flow.model.weights.fetch import PATIENCE, Patience, fetch
from mmdet_flow.model.weights.index import (
    SUFFIX,
    name_in,
    published,
    require_published,
    with_name,
)
from mmdet_flow.model.weights.places import place_in

MIRRORS = "MMDET_FLOW_MIRRORS"
"""The variable with places to ask before all others, with spaces between them."""


@dataclass(frozen=True)
class Kept:
    """Weights in the store; ``fault`` is what is wrong with them, or nothing."""

    path: Path
    sha256: str
    fault: str


@dataclass(frozen=True)
class Wanted:
    """Weights that are asked for: the name of their file, and where upstream has it."""

    name: str
    url: str | None = None


def folder() -> Path:
    """Return the folder of all weights that are kept."""
    return default_cache() / "weights"


def find_weights(name: str) -> Path:
    """Return the file of weights given as a path, or as a name in the store.

    It is checked. Raises ModelError that says how to get the file.
    """
    path = Path(name)
    found = next((one for one in (path, folder() / path.name) if one.is_file()), None)
    if found is None:
        raise ModelError(f"{name}: neither a file nor in {folder()}; {_remedy(name)}")
    if fault := mismatch(found, known_hashes(found)):
        raise ModelError(f"{found}: {fault}; it is damaged, fetch it again")
    return found


def _remedy(name: str) -> str:
    """Return how to get weights, by the name of their file."""
    if with_name(Path(name).name):
        return f"mmdet-flow weights get {Path(name).name} fetches it"
    return "mmdet-flow weights add FILE puts one there"


def kept() -> list[Kept]:
    """Return what is in the store, checked, by name."""
    files = sorted(folder().glob(f"*{SUFFIX}"))
    return [
        Kept(one, sha256_of(one), mismatch(one, known_hashes(one)))
        for one in files
        if one.is_file()
    ]


def get(
    source: str,
    mirrors: Sequence[str] = (),
    sha256: str = "",
    patience: Patience = PATIENCE,
) -> Path:
    """Return the file of weights, fetched if the store does not keep it.

    ``source`` is a config with published weights, the name of their file, or a URL.
    The mirrors are asked before those of the environment, and upstream last. Raises
    ModelError when no place has the file.
    """
    require_sha256(sha256)
    wanted = _wanted(source)
    target = folder() / wanted.name
    if _is_sound(target, sha256):
        cli.log.info("%s is kept already", target)
        return target
    places = _places(wanted, [*mirrors, *os.environ.get(MIRRORS, "").split()])
    if not places:
        names = [one.name for one in published()]
        raise ModelError(
            f"{source}: the model index has no weights of that name"
            + did_you_mean(wanted.name, names)
            + "; name a mirror that has them (--mirrors), or their URL"
        )
    with growing_file(target) as part:
        # Or another process has fetched it while this one waited.
        if not _is_sound(target, sha256):
            hashes = known_hashes(target, sha256)
            failures = fetch(places, part, hashes, patience)
            if len(failures) == len(places):
                raise ModelError(_missing(wanted, failures))
            note(target, sha256_of(part))
            publish(part, target)
    return target


def _wanted(source: str) -> Wanted:
    if urlsplit(source).scheme:
        return Wanted(_valid_name(name_in(source)), source)
    if source.endswith(SUFFIX):
        found = with_name(source)
        return Wanted(_valid_name(source), found.url if found else None)
    one = require_published(source)
    return Wanted(_valid_name(one.name), one.url)


def _valid_name(name: str) -> str:
    if Path(name).name != name or not name.endswith(SUFFIX) or name.startswith("."):
        raise UsageError(f"{name}: is no name of weights; it ends in {SUFFIX}")
    return name


def _places(wanted: Wanted, mirrors: Iterable[str]) -> list[str]:
    """Return where a file may be: a mirror has it by its name, or as upstream has."""
    paths = [wanted.name]
    if wanted.url:
        paths.append(urlsplit(wanted.url).path.lstrip("/"))
    places = [place_in(mirror, path) for mirror in mirrors for path in paths]
    return list(dict.fromkeys([*places, *([wanted.url] if wanted.url else [])]))


def _missing(wanted: Wanted, failures: dict[str, str]) -> str:
    tried = "; ".join(f"{place} {reason}" for place, reason in failures.items())
    return (
        f"{wanted.name}: {tried}; name a mirror that has it (weights.mirrors in "
        "config.yaml, --mirrors), or put the file there with mmdet-flow weights add"
    )


def _is_sound(path: Path, sha256: str) -> bool:
    return path.is_file() and not fault_of(path, known_hashes(path, sha256))


def add(path: Path, name: str | None = None, sha256: str = "") -> Path:
    """Copy a file of weights into the store, checked; return its place there.

    Raises ModelError for one that is not what its name or ``sha256`` say.
    """
    require_sha256(sha256)
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file; check the path")
    target = folder() / _valid_name(name or path.name)
    hashes = [one for one in (hash_in(target.name), sha256) if one]
    if fault := fault_of(path, hashes):
        raise ModelError(f"{path}: {fault}; it is damaged, or another file")
    with new_file(target) as temporary:
        shutil.copyfile(path, temporary)
    note(target, sha256_of(target))
    return target
