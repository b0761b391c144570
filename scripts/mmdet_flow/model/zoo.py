"""The configs that mmdet ships: found by name, offline."""

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path

from mmdet_flow.errors import ModelError, did_you_mean


def find_config(config: str) -> Path:
    """Return the file of a config given as a path or as a model-zoo name.

    Folders before a name are those of the zoo, as many as are given. Raises ModelError,
    with the nearest name, when there is neither.
    """
    path = Path(config)
    if path.suffix == ".py" and path.is_file():
        return path
    return _find_in_zoo(config)


@cache
def _find_in_zoo(config: str) -> Path:
    wanted = Path(config.rpartition("configs/")[2].removesuffix(".py")).parts
    found = [
        file
        for file in zoo_configs().values()
        if file.with_suffix("").parts[-len(wanted) :] == wanted
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(map(_inside_zoo, found))
        raise ModelError(f"{config}: the model zoo has several, say {names}")
    raise ModelError(
        f"{config}: neither a config file nor a config of the mmdet model zoo"
        + did_you_mean("/".join(wanted), zoo_configs())
    )


@cache
def zoo_configs() -> dict[str, Path]:
    """Return the model-zoo configs that can be trained, by name.

    Those whose name others have, too, are named with their folders.
    """
    files = [
        path for path in sorted(_zoo().rglob("*.py")) if "_base_" not in path.parts
    ]
    count = Counter(path.stem for path in files)
    return {
        path.stem if count[path.stem] == 1 else _inside_zoo(path): path
        for path in files
    }


def shipped() -> Path:
    """Return the folder of what mmdet brings besides its code."""
    spec = importlib.util.find_spec("mmdet")
    if spec is None or spec.origin is None:
        raise ModelError("mmdet is not installed; run `make setup`")
    return Path(spec.origin).parent / ".mim"


def _zoo() -> Path:
    return shipped() / "configs"


def _inside_zoo(path: Path) -> str:
    return path.relative_to(_zoo()).as_posix().removesuffix(".py")
