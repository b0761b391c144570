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


def _zoo() -> Path:
    spec = importlib.util.find_spec("mmdet")
    if spec is None or spec.origin is None:
        raise ModelError("mmdet is not installed; run `make setup`")
    return Path(spec.origin).parent / ".mim" / "configs"


def _inside_zoo(path: Path) -> str:
    return path.relative_to(_zoo()).as_posix().removesuffix(".py")


def count_weights(cfg) -> int:
    """Return how many numbers a model has that can be learned; builds it to count."""
    import contextlib
    import copy
    import os
    import warnings

    import torch

    from mmdet_flow.imports import import_mmdet
    from mmdet_flow.model.fit.network import drop_pretrained, use_single_process_norm

    import_mmdet()
    from mmdet.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    model_cfg = copy.deepcopy(cfg.model)
    drop_pretrained(model_cfg)
    use_single_process_norm(model_cfg)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere):
            try:
                with torch.device("meta"), _unfilled():
                    model = MODELS.build(model_cfg)
            except (RuntimeError, NotImplementedError):
                model = MODELS.build(model_cfg)
    return sum(weight.numel() for weight in model.parameters())


def _unfilled():
    """Return a context in which no tensor gets random numbers.

    Weights without memory have none to get, and torch would import its compiler first.
    """
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function in (Tensor.normal_, Tensor.uniform_):
                return args[0]
            return function(*args, **(kwargs or {}))

    return Unfilled()
