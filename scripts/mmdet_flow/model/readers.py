"""What code reads of a config: the arguments of classes, and words in the code."""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pkgutil import resolve_name
from types import ModuleType
from typing import TYPE_CHECKING

from mmdet_flow.imports import import_mmdet
from mmdet_flow.model.fit.tree import walk

if TYPE_CHECKING:
    from mmengine.registry import Registry

PACKAGES = ("mmdet", "mmengine", "mmcv", "torch")
"""Where the code is that gets parts of a config."""

CLOSED = ("optimizer", "parameter scheduler", "hook", "data sampler")
"""Registries of whose parts a class gets all words, ``TAKEN_OUT`` aside."""

TAKEN_OUT = frozenset(("priority", "convert_to_iter_based"))
"""What the runner takes out of a hook, or a scheduler, before its class gets it."""

IMPLIED = {
    "optimizer": "mmengine.optim:DefaultOptimWrapperConstructor",
    "dataset": "torch.utils.data:DataLoader",
}
"""What is made of a part with such a key, though the part has no name for it."""


@functools.cache
def registries() -> list["Registry"]:
    """Return the registries of mmdet, then those of mmengine and mmcv, all filled."""
    import_mmdet(several_processes=True)
    import mmdet.registry
    import mmengine.registry

    from mmdet_flow.model import muon  # noqa: F401  to have it registered

    found = [
        value
        for module in (mmdet.registry, mmengine.registry)
        for value in vars(module).values()
        if isinstance(value, mmengine.registry.Registry)
    ]
    for one in found:
        one.import_from_location()
    return sorted(found, key=lambda one: one.scope != "mmdet")


def class_of(name: object) -> type | None:
    """Return the class that a ``type`` names, or None."""
    found = registered(name)
    return found if isinstance(found, type) else None


def registered(name: object) -> Callable | None:
    """Return what a ``type`` names: in a registry, or an operator of mmcv."""
    import mmcv.ops

    if not isinstance(name, str):
        return None
    word = name.rpartition(".")[2]
    found = [one.module_dict[word] for one in registries() if word in one.module_dict]
    return found[0] if found else getattr(mmcv.ops, word, None)


def arguments(part: Mapping) -> set[str]:
    """Return what the class of a part takes, and those that it makes itself.

    EMAHook for one hands the rest to the class that its ``ema_type`` names.
    """
    cls = class_of(part.get("type"))
    if cls is None:
        return set()
    own = list(_parameters(cls))
    words = {one.name for one in own}
    if any(one.kind is one.VAR_KEYWORD for one in own):
        named = [*(one.default for one in own), *part.values()]
        for other in filter(None, map(class_of, named)):
            words |= {one.name for one in _parameters(other)}
    return words


def refused_words(part: Mapping) -> list[str]:
    """Return the words of a part that its class would raise a TypeError for.

    Only of classes in ``CLOSED`` whose signature says all that they take.
    """
    cls = class_of(part.get("type"))
    if cls is None or not _is_closed(cls):
        return []
    taken = {*arguments(part), *TAKEN_OUT, "type", "_scope_"}
    return [word for word in part if word not in taken]


def _is_closed(cls: type) -> bool:
    kept = [one for one in registries() if one.name in CLOSED]
    if not any(cls in one.module_dict.values() for one in kept):
        return False
    found = list(_parameters(cls))
    return not found or found[-1].kind is not inspect.Parameter.VAR_KEYWORD


def _parameters(cls: type) -> Iterator[inspect.Parameter]:
    """Yield the parameters of a class, and of those that it hands the rest to."""
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        found = list(inspect.signature(base.__init__).parameters.values())[1:]
        yield from found
        if not any(one.kind is one.VAR_KEYWORD for one in found):
            return


def mentions(code: Callable, word: str, of_functions: bool = False) -> bool:
    """Whether the code of a class or function has a word, or of what it imports."""
    modules = [sys.modules[one.__module__] for one in getattr(code, "__mro__", [code])]
    if of_functions:
        modules += [found for module in modules for found in _functions(module)]
    return any(word in _words(one) for one in modules if _is_of_packages(one.__name__))


def classes_in(part: Mapping | Sequence) -> list[type]:
    """Return the classes that a part of a config names, with what none need name."""
    named = [class_of(name) for node in walk(part) for name in node.values()]
    if isinstance(part, Mapping):
        named += [resolve_name(IMPLIED[key]) for key in IMPLIED if key in part]
    return [one for one in named if one]


def _functions(module: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules of the functions that a module imports."""
    for value in vars(module).values():
        if inspect.isfunction(value) and value.__module__ in sys.modules:
            yield sys.modules[value.__module__]


def _is_of_packages(name: str) -> bool:
    return name.partition(".")[0] in PACKAGES


@functools.cache
def _words(module: ModuleType) -> frozenset[str]:
    try:
        return frozenset(re.findall(r"[^\W\d]\w*", inspect.getsource(module)))
    except (OSError, TypeError):  # compiled, or empty
        return frozenset()
