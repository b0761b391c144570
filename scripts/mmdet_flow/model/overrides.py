"""Overrides of a config: refused where nothing that is run would read them.

A key is read where

* at the top, the runner takes it;
* below, the config has it already, the class of the part takes it as an argument, or
  the code that gets the part mentions it, as what reads a dictionary without a type.

Any other key is a mistake, which mmengine would add to the config without a word.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mmdet_flow.errors import UsageError, did_you_mean
from mmdet_flow.model.changes import EXPORTED_FROM, RUNNER_KEYS
from mmdet_flow.model.course import SHORTENED
from mmdet_flow.model.weights.index import PUBLISHED_WEIGHTS

READ_AT_TOP = frozenset(RUNNER_KEYS) | {
    *("auto_scale_lr", "data_preprocessor", "experiment_name"),
    *(EXPORTED_FROM, PUBLISHED_WEIGHTS),
    *("activation_checkpointing", "compile", "efficient_conv_bn_eval"),
    *("find_unused_parameters", "sync_bn"),
}

STATES = "states are saved by time here, with --save-minutes of mmdet-flow model train"

READ_HERE = frozenset((f"train_cfg.{SHORTENED}",))
"""What a training here reads beside what the class has that the config names."""

DECIDED_HERE = {
    "launcher": "say it with --launcher of mmdet-flow model train",
    "resume": "say it with --resume of mmdet-flow model train",
    "train_cfg.type": "each training here is one by epochs, which can be resumed",
    "default_hooks.checkpoint.interval": STATES,
    "default_hooks.checkpoint.by_epoch": STATES,
}
"""What the runner would read, and a training here decides otherwise."""

FORMER = {
    "data.samples_per_gpu": "train_dataloader.batch_size",
    "data.workers_per_gpu": "train_dataloader.num_workers",
    "optimizer_config.grad_clip": "optim_wrapper.clip_grad",
    "optimizer": "optim_wrapper.optimizer",
    "lr_config": "param_scheduler",
    "total_epochs": "train_cfg.max_epochs",
    "runner.max_epochs": "train_cfg.max_epochs",
    "evaluation.interval": "train_cfg.val_interval",
    "checkpoint_config": "default_hooks.checkpoint",
    "log_config": "default_hooks.logger",
    "seed": "randomness.seed",
}
"""What mmdet 2 called the keys."""

FOR_ALL = frozenset(("type", "_scope_", "_delete_"))

FREE = frozenset(("custom_keys", "metainfo"))
"""Parts whose keys are names of weights, or what somebody says of the data."""

GIVEN = frozenset(("args", "kwargs", "params", "optimizer", "dataset", "sampler"))
"""Arguments of classes that are no words of a config, or that the runner gives."""

MOST_PLACES = 3
"""That an error names."""


def require_read(
    keys: list[str], before: Mapping, after: Mapping, base: Mapping
) -> None:
    """Refuse overrides that change nothing which is run; raises UsageError.

    Args:
        keys: those that are overridden, with dots.
        before: the config without the overrides.
        after: the config with them.
        base: what ``before`` was made from, with all variables of the config's file.
    """
    for key in keys:
        if key in DECIDED_HERE:
            raise _no_effect(key, DECIDED_HERE[key])
        if key in READ_HERE:
            continue
        _require_top(key, before, base)
        _require_below(key, before, after)


def obstacle(keys: list[str], cfg: Mapping) -> str:
    """Return what of a config is in the way of overrides that it has no place for."""
    for key in keys:
        node, place = cfg, []
        for word in key.split("."):
            if isinstance(node, list | tuple) and _child(node, word) is None:
                return f"{'.'.join(place)} has parts 0 to {len(node) - 1}, not {word}"
            if place and not isinstance(node, Mapping | list | tuple | None):
                return f"{'.'.join(place)} is {node!r}, without keys"
            node = _child(node, word)
            place.append(word)
    return "one of them is for a part, and one for a key of it"


def _no_effect(key: str, why: str) -> UsageError:
    return UsageError(f"--cfg-options {key}: would have no effect: {why}")


def _require_top(key: str, before: Mapping, base: Mapping) -> None:
    """Refuse a key that the runner does not take at the top of a config."""
    top, dot, rest = key.partition(".")
    if top in READ_AT_TOP and not _is_covered(top, before):
        return
    if places := _places_of(top, base):
        instead = " or ".join(f"{place}{dot}{rest}" for place in places)
        why = f"the config's file has put the value of {top} elsewhere"
        raise _no_effect(key, f"{why}; override {instead}")
    hint = "" if top in base else _nearest(key, before)
    raise _no_effect(key, f"nothing reads {top} of a config{hint}")


def _nearest(key: str, cfg: Mapping) -> str:
    """Return a hint at what mmdet 3 calls a key, or at one like it."""
    for former, name in FORMER.items():
        if key == former or key.startswith(f"{former}."):
            return f"; did you mean {name}{key.removeprefix(former)}?"
    paths = [path for path, _ in _items(cfg)]
    word = key.rpartition(".")[2]
    same = [f"; did you mean {path}?" for path in paths if path.endswith(f".{word}")]
    return did_you_mean(key, paths) or "".join(same[:1])


def _is_covered(top: str, cfg: Mapping) -> bool:
    """Whether the model has its own of what it would take from the top."""
    return top == "data_preprocessor" and top in (cfg.get("model") or {})


def _places_of(variable: str, base: Mapping) -> list[str]:
    """Return some places with the value of a variable, those of like names first."""
    value = base.get(variable)
    if value is None or isinstance(value, bool):
        return []  # which many have
    words = set(variable.split("_"))
    places = [
        path
        for path, found in _items(base)
        if type(found) is type(value) and found == value
    ]
    alike = {path: len(words & set(path.split(".")[-1].split("_"))) for path in places}
    best = max(alike.values(), default=0)
    return [path for path in places if alike[path] == best][:MOST_PLACES]


def _items(cfg: Mapping) -> Iterator[tuple[str, Any]]:
    """Yield path and value of all in a config that the runner reads."""
    yield from _inner({key: cfg[key] for key in RUNNER_KEYS if key in cfg}, "")


def _inner(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    for key, value in _pairs(node):
        yield f"{path}{key}", value
        yield from _inner(value, f"{path}{key}.")


def _pairs(node: Any) -> list[tuple[str, Any]]:
    if isinstance(node, Mapping):
        return list(node.items())
    return [*enumerate(node)] if isinstance(node, list | tuple) else []


def _child(node: Any, word: str) -> Any:
    return dict((str(key), value) for key, value in _pairs(node)).get(word)


def _require_below(key: str, before: Mapping, after: Mapping) -> None:
    """Refuse a key inside of what the runner takes that nothing there reads."""
    top, *words = key.split(".")
    old, new, owner = before.get(top), after[top], None
    for number, word in enumerate(words):
        if word in FREE:
            return
        place = ".".join((top, *words[:number]))
        if isinstance(new, Mapping):
            _require_taken(key, place, new)
        if isinstance(new, Mapping) and word not in FOR_ALL:
            is_there = isinstance(old, Mapping) and word in old
            is_hook = place == "default_hooks" and "type" in (new[word] or {})
            if not (is_there or is_hook or _reads(new, owner, after[top], word)):
                raise _no_effect(key, _unread(place, word, old, new))
            owner = new.get("type") or owner
        old, new = _child(old, word), _child(new, word)


def _require_taken(key: str, place: str, part: Mapping) -> None:
    """Refuse a part with words that its class does not take.

    They may have been there before an override of its type.
    """
    from mmdet_flow.model.readers import arguments, refused_words

    if refused := refused_words(part):
        taken = sorted(arguments(part) - GIVEN)
        raise UsageError(
            f"--cfg-options {key}: {part['type']} of {place} takes no "
            f"{', '.join(refused)}{did_you_mean(refused[0], taken)}; it takes "
            f"{', '.join(taken) or 'nothing'}"
        )


def _reads(part: Mapping, owner: str | None, whole: Any, word: str) -> bool:
    """Whether a word is one for the class of a part, or for the code that gets it.

    That is the code of its owner, and of the function that it names; a part without a
    name is handed on, to any class that the ``whole`` names.
    """
    from mmengine.runner import Runner

    from mmdet_flow.model import readers

    if word in readers.arguments(part):
        return True
    getter = (readers.class_of(owner) if owner else Runner) or Runner
    own = readers.registered(part.get("type"))
    if own is None:
        others = readers.classes_in(whole)
    else:
        others = [] if isinstance(own, type) else [own]
    of_functions = own is not None or getter is Runner
    return readers.mentions(getter, word, of_functions) or any(
        readers.mentions(one, word) for one in others
    )


def _unread(place: str, word: str, old: Any, new: Mapping) -> str:
    from mmdet_flow.model.readers import arguments

    there = set(old) if isinstance(old, Mapping) else set()
    hint = did_you_mean(word, sorted(there | arguments(new)))
    return f"nothing reads {word} of {place}{hint}"
