"""Published checkpoints: weights, classes, config and versions, and no code."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from mmdet_flow import __version__
from mmdet_flow.dataset.classes import classes_sha256
from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile, write_if_changed

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
    try:
        encoded = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{path}: there is no such checkpoint; check the path"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    content = _load(io.BytesIO(encoded), path)
    meta = content.get("meta", {})
    dataset_meta = {
        key.lower(): value for key, value in meta.get("dataset_meta", {}).items()
    }
    classes = dataset_meta.get("classes") or meta.get("CLASSES")
    if not classes:
        raise ModelError(f"{path}: names no classes; publish it again with its classes")
    return Checkpoint(
        path=path,
        state_dict=content["state_dict"],
        classes=(classes,) if isinstance(classes, str) else tuple(classes),
        config=meta.get("cfg", ""),
        sha256=hashlib.sha256(encoded).hexdigest(),
        versions=meta.get("versions", {}),
    )


def load_training_checkpoint(path: Path) -> dict:
    """Read a checkpoint of the runner, optimizer and message hub included."""
    return _load(path, path)


def is_whole(path: Path) -> bool:
    """Whether a checkpoint was written to its end."""
    return path.is_file() and zipfile.is_zipfile(path)


def allow_training_state() -> None:
    """Let ``weights_only`` loading accept what the runner itself saves, no more."""
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    rebuild = (np._core.multiarray._reconstruct, np._core.multiarray.scalar)
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            *rebuild,
            # As they are called in checkpoints that were saved with numpy 1.
            *((one, f"numpy.core.multiarray.{one.__name__}") for one in rebuild),
            np.ndarray,
            np.dtype,
            *{type(np.dtype(code)) for code in "?bhilBHILefd"},
            getattr,
        ]
    )


def _load(source: Path | io.BytesIO, path: StoredFile) -> dict:
    """Read weights from a source; ``path`` is its name in errors."""
    import pickle

    import torch

    allow_training_state()
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(
            f"{path}: there is no such checkpoint; check the path"
        ) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ModelError(
            f"{path}: cannot be read as a checkpoint: {_reason(str(error))}"
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise ModelError(f"{path}: has no state_dict; it is not a checkpoint of mmdet")
    return content


def _missing(path: StoredFile) -> ModelError:
    return ModelError(f"{path}: there is no such checkpoint; check the path")


def _reason(text: str) -> str:
    """Return in one line why torch does not load a file."""
    if code := re.search(r"Unsupported (?:global: GLOBAL|class) (\S+)", text):
        return f"it holds {code[1]}, which could run code; publish the weights alone"
    return (text.splitlines() or ["it is empty or cut off"])[0]
