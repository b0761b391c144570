"""Configs in mmengine's new style, whose types are classes, as ones with names.

A config as text cannot hold a class, and what fits a config looks for names. So each
class is written as the name under which a registry gives it back.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdet_flow.errors import ModelError

if TYPE_CHECKING:
    from mmengine.config import Config

PLAIN = (str, bool, int, float, type(None))


def with_type_names(cfg: "Config", path: Path) -> "Config":
    """Return a config of plain values alone; raises ModelError for any other."""
    from mmengine.config import Config

    given = cfg._to_lazy_dict()
    return Config(
        {key: _plain(value, key, path) for key, value in given.items()},
        filename=cfg.filename,
    )


def _plain(value: Any, place: str, path: Path) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, Mapping):
        return {key: _plain(one, f"{place}.{key}", path) for key, one in value.items()}
    if type(value) in (list, tuple, set):
        parts = enumerate(value)
        return type(value)(_plain(one, f"{place}.{key}", path) for key, one in parts)
    name = _name_of(_built(value))
    if name is None:
        raise ModelError(
            f"{path}: {place}: is {_described(value)}, which no registry of mmdet has; "
            "write a plain value there, or the name of what is registered"
        )
    return name


def _built(value: Any) -> Any:
    """Return what an import of a config in the new style stands for."""
    from mmengine.config.lazy import LazyAttr, LazyObject

    return value.build() if isinstance(value, LazyAttr | LazyObject) else value


def _name_of(value: Any) -> str | None:
    """Return the name that a registry of mmdet, or mmcv for an operator, has for it."""
    import mmcv.ops

    from mmdet_flow.model.readers import registered, registries

    for registry in registries():
        for name, found in registry.module_dict.items():
            if found is value:
                return name if registered(name) is value else f"{registry.scope}.{name}"
    name = getattr(value, "__name__", "")
    return name if name and getattr(mmcv.ops, name, None) is value else None


def _described(value: Any) -> str:
    name = getattr(_built(value), "__qualname__", None)
    return name or f"of type {type(value).__name__}"
