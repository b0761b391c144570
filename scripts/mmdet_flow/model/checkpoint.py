"""Published checkpoints: weights, classes, config and versions, and no code."""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mmdet_flow import __version__
from mmdet_flow.archives import open_archive, require_undamaged
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile, write_if_changed
from mmdet_flow.memory import memory_size

ZIP = b"PK\3\4"
NOT_WEIGHTS = "it holds {}, which could run code; publish the weights alone"

PACKAGES = ("mmcv", "mmdet", "mmengine", "numpy", "torch")


@dataclass(frozen=True)
class Checkpoint:
    """A published checkpoint in memory.

    ``config`` is the text of the config; ``sha256`` identifies the file.
    """

    path: StoredFile
    state_dict: dict
    classes: tuple[str, ...]
    config: str
    sha256: str
    versions: dict[str, str]


def publish(source: Path, target: Path, config: str, classes: tuple[str, ...]) -> None:
    """Write the weights of a training checkpoint in the form that we publish.

    It holds tensors, strings and lists alone, so it loads with
    ``weights_only=True``, and old versions of mmdet read it too.
    """
    import torch

    weights = load_training_checkpoint(source)["state_dict"]
    meta = {
        "dataset_meta": {"classes": list(classes)},
        "classes_sha256": classes_sha256(classes),
        "cfg": config,
        "versions": versions(),
        "mmengine_version": version("mmengine"),
    }
    buffer = io.BytesIO()
    state_dict = {key: value.contiguous().clone() for key, value in weights.items()}
    torch.save({"meta": meta, "state_dict": state_dict}, buffer)
    write_if_changed(target, buffer.getvalue())


def versions() -> dict[str, str]:
    """Return the versions of what decides the weights, by package."""
    return {"mmdet-flow": __version__, **{name: version(name) for name in PACKAGES}}


def load_checkpoint(path: StoredFile | str) -> Checkpoint:
    """Read a published checkpoint, or a training checkpoint of mmdet.

    Raises ModelError when it is missing, broken or without classes.
    """
    path = Path(path) if isinstance(path, str) else path
    encoded = _read(path)
    content = _load(io.BytesIO(encoded), path)
    meta = content.get("meta", {})
    versions = meta.get("versions", {})
    listed = isinstance(versions, dict) and _is_text([*versions, *versions.values()])
    _require(listed, path, "versions")
    config = meta.get("cfg", "")
    _require(isinstance(config, str), path, "config")
    return Checkpoint(
        path=path,
        state_dict=content["state_dict"],
        classes=_classes(meta, path),
        config=config,
        sha256=hashlib.sha256(encoded).hexdigest(),
        versions=versions,
    )


def load_training_checkpoint(path: Path) -> dict:
    """Read a checkpoint of the runner, optimizer and message hub included.

    Its "state_dict" and "meta", if that is there, are what they should be.
    """
    return _load(io.BytesIO(_read(path)), path)


def is_whole(path: Path) -> bool:
    """Whether a checkpoint was written to its end."""
    return path.is_file() and zipfile.is_zipfile(path)


def _read(path: StoredFile) -> bytes:
    """Return the bytes of a file that fits into memory."""
    try:
        if not path.exists():
            raise ModelError(f"{path}: there is no such checkpoint; check the path")
        if not path.is_file():  # reading a pipe would wait, a device would not end
            raise ModelError(f"{path}: is no file; name the checkpoint itself")
        if isinstance(path, Path) and path.stat().st_size > memory_size():
            raise ModelError(f"{path}: is larger than the memory of this machine")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


def _load(stream: io.BytesIO, path: StoredFile) -> dict:
    """Read weights, and what lies with them; ``path`` is their name in errors."""
    from mmdet_flow.model.plain_pickle import NotPlain, load_plain

    try:
        if stream.getbuffer()[:4] == ZIP:
            require_undamaged(open_archive(stream))
            stream.seek(0)
        content = load_plain(stream)
    except NotPlain as error:
        raise ModelError(f"{path}: {NOT_WEIGHTS.format(error)}") from None
    except Exception as error:  # a damaged file may raise anything in torch
        raise ModelError(f"{path}: {_reason(error)}") from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ModelError(f"{path}: has no state_dict; it is not a checkpoint of mmdet")
    _require(isinstance(content.get("meta", {}), dict), path, "meta")
    _require_weights(content["state_dict"], path)
    return content


def _require_weights(state_dict: object, path: StoredFile) -> None:
    """Refuse weights that are no tensors as a model has them."""
    import torch

    _require(isinstance(state_dict, dict) and _is_text(state_dict), path, "state_dict")
    for name, value in state_dict.items():
        if (
            type(value) not in (torch.Tensor, torch.nn.Parameter)
            or value.is_nested
            or value.is_quantized
            or value.is_complex()
            or value.layout != torch.strided
            or value.device.type != "cpu"
            or value.nbytes > value.untyped_storage().nbytes()
        ):
            raise ModelError(
                f"{path}: its {name!r} is no dense tensor of numbers; publish the "
                "weights again with mmdet-flow model train"
            )


def _classes(meta: dict, path: StoredFile) -> tuple[str, ...]:
    """Return the class names, which mmdet has kept in several places."""
    given = meta.get("dataset_meta", {})
    _require(isinstance(given, dict) and _is_text(given), path, "dataset_meta")
    lower = {key.lower(): value for key, value in given.items()}
    classes = lower.get("classes") or meta.get("CLASSES")
    if not classes:
        raise ModelError(f"{path}: names no classes; publish it again with its classes")
    classes = (classes,) if isinstance(classes, str) else classes
    named = isinstance(classes, list | tuple) and _is_text(classes)
    _require(named and all(map(str.strip, classes)), path, "classes")
    _require(len(set(classes)) == len(classes), path, "classes, which repeat,")
    return tuple(classes)


def _is_text(names: Iterable) -> bool:
    return isinstance(names, Iterable) and all(isinstance(one, str) for one in names)


def _require(holds: bool, path: StoredFile, what: str) -> None:
    if not holds:
        raise ModelError(
            f"{path}: its {what} is not as mmdet writes it; publish it again with "
            "mmdet-flow model train"
        )


def _reason(error: Exception) -> str:
    """Return in one line why torch does not load a file."""
    text = str(error)
    if code := re.search(r"nsupported (?:global: )?(?:GLOBAL|class) (\S+)", text):
        return NOT_WEIGHTS.format(code[1])
    text = text.rpartition("WeightsUnpickler error:")[2]
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    why = first[:200] or "it is empty or cut off"
    return f"cannot be read as a checkpoint: {why}"
