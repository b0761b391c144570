"""What differs between two configs, a key at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmdet_flow.model.fit.tree import LOADERS

LONGEST = 72
"""Longer values are cut in the description of a change."""

EXPORTED_FROM = "exported_from"
"""The key of an exported config that has the name of the one in the model zoo."""

RUN_KEYS = ("load_from", "resume", "work_dir")
"""Of the keys that the runner reads, those of one run on one machine."""

RUNNER_KEYS = (
    *("default_scope", "custom_imports", "model"),
    *LOADERS,
    *("val_evaluator", "test_evaluator", "train_cfg", "val_cfg", "test_cfg"),
    *("optim_wrapper", "param_scheduler", "default_hooks", "custom_hooks"),
    *("randomness", "env_cfg", "visualizer", "log_processor", "log_level"),
    *RUN_KEYS,
)
"""The keys that the runner reads; what else a config holds are its helpers."""


@dataclass(frozen=True)
class Change:
    """A key and its values as text; None on the side that does not have the key."""

    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.after is None:
            return f"{self.key}: removed"
        if self.before is None:
            return f"{self.key}: added {self.after}"
        return f"{self.key}: {self.before} -> {self.after}"


def changes(before: Any, after: Any, key: str = "") -> Iterator[Change]:
    """Yield each value that differs, in the order of keys."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted(before.keys() | after.keys()):
            inner = f"{key}.{name}" if key else str(name)
            if name not in after:
                yield Change(inner, _short(before[name]), None)
            elif name not in before:
                yield Change(inner, None, _short(after[name]))
            else:
                yield from changes(before[name], after[name], inner)
    elif _types(before) and _types(before) == _types(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from changes(*pair, f"{key}[{index}]")
    elif _plain(before) != _plain(after):
        yield Change(key, _short(before), _short(after))


def changes_of_base(base: Mapping, fitted: Mapping) -> Iterator[Change]:
    """Yield what a config changes of what the runner reads in its base config."""
    keys = [key for key in RUNNER_KEYS if key not in RUN_KEYS]
    pair = ({key: one.get(key) for key in keys} for one in (base, fitted))
    return changes(*pair)


def _types(value: Any) -> list[str]:
    """Return the types of a list of parts, such as a pipeline, or nothing."""
    is_list = isinstance(value, list | tuple) and all(
        isinstance(item, Mapping) and "type" in item for item in value
    )
    return [str(item["type"]) for item in value] if is_list else []


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("type", "{...}"))
    text = ", ".join(_types(value)) or repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
