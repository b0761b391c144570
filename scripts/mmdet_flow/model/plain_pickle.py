"""Reading a pickle of torch as tensors and plain values, whoever wrote it.

``weights_only=True`` builds tensors and plain containers. The states of a training hold
more: the histories of mmengine's message hub, which are objects with arrays of numpy,
and which name methods by a call of ``getattr``. To let a file have those very things
would let it reach whatever they reach, and numpy and mmengine keep state of their own
that a file could change. So stand-ins take their places: they keep what they are given,
check it, and are replaced by the real objects once all is read.
"""

import re
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import torch

NUMBERS = frozenset("?bhilqBHILQefd")
"""Types of numpy that an array may have, by their letters."""

DTYPE = re.compile(r"[<>=|]?[?a-z]\d{0,2}")

METHODS = ("min", "max", "current", "mean")
"""What a history names of itself."""

DEEPEST = 100
LEAVES = (str, bytes, bytearray, int, float, complex, type(None), torch.Size)
CONTAINERS = (dict, OrderedDict, Counter, list, tuple, set)


class NotPlain(ValueError):
    """A file holds what is no plain value."""


def load_plain(stream: BinaryIO) -> object:
    """Return what ``torch.save`` wrote: tensors on the CPU, and plain values.

    Raises NotPlain, or whatever torch raises for a file that is damaged.
    """
    with torch.serialization.safe_globals(_stand_ins()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = torch.load(stream, map_location="cpu", weights_only=True)
    return _plain(content, {}, DEEPEST)


def _stand_ins() -> list[tuple[Callable, str]]:
    """Return what takes the place of names in a file."""
    arrays = [
        (stand_in, f"{module}.{name}")
        for module in ("numpy._core.multiarray", "numpy.core.multiarray")
        for stand_in, name in ((_Array, "_reconstruct"), (_Scalar, "scalar"))
    ]
    return [
        *arrays,
        (_Array, "numpy.ndarray"),
        (_DType, "numpy.dtype"),
        (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
        (_method, "builtins.getattr"),
    ]


class _StandIn:
    """What a file may make, and give no more than its class takes."""

    def __setstate__(self, state) -> None:
        raise NotPlain(type(self).__name__)


class _DType(_StandIn):
    """Stands for numpy's ``dtype``, of which there is one for all users of a type."""

    def __init__(self, name: str, *_) -> None:
        if not DTYPE.fullmatch(name) or np.dtype(name).char not in NUMBERS:
            raise NotPlain(f"an array of the type {name!r}")
        self._dtype = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        self._dtype = self._dtype.newbyteorder(state[1])

    def read(self, content: bytes) -> np.ndarray:
        return np.frombuffer(content, self._dtype)


class _Array(_StandIn):
    """Stands for an array."""

    def __init__(self, *_) -> None:
        self._real = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        flat = _DType.read(dtype, content)
        self._real = flat.reshape(shape, order="F" if fortran else "C").copy()

    def real(self) -> np.ndarray:
        return self._real


class _Scalar(_StandIn):
    """Stands for a number of numpy."""

    def __init__(self, dtype: _DType, content: bytes) -> None:
        (self._real,) = _DType.read(dtype, content)

    def real(self) -> np.generic:
        return self._real


class _History(_StandIn):
    """Stands for a HistoryBuffer, whose class keeps the methods that it is given."""

    def __setstate__(self, state: dict) -> None:
        self._values, self._counts = state["_log_history"], state["_count_history"]
        self._longest = state["max_length"]

    def real(self):
        from mmengine.logging.history_buffer import HistoryBuffer

        values, counts = _Array.real(self._values), _Array.real(self._counts)
        return HistoryBuffer(values, counts, self._longest)


def _method(owner: type, name: str) -> str:
    """Stand for ``getattr``, by which a history names its methods."""
    if owner is not _History or name not in METHODS:
        raise NotPlain("getattr")
    return name


def _plain(value, seen: dict[int, object], depth: int):
    """Return a value with the real objects in place of stand-ins."""
    if id(value) in seen:
        return seen[id(value)]
    if not depth:
        raise NotPlain(f"values nested deeper than {DEEPEST} levels, or in themselves")
    cls = type(value)
    if cls in LEAVES or isinstance(value, bool | torch.Tensor | torch.dtype):
        return value
    if cls in (_Array, _Scalar, _History):
        made = value.real()
    elif cls not in CONTAINERS:
        raise NotPlain(cls.__name__.lstrip("_"))
    elif issubclass(cls, dict):
        # From a mapping, since a Counter would count pairs.
        made = cls(
            {
                _plain(key, seen, depth - 1): _plain(item, seen, depth - 1)
                for key, item in dict.items(value)
            }
        )
        if metadata := getattr(value, "_metadata", None):  # of a module's weights
            made._metadata = _plain(metadata, seen, depth - 1)
    else:
        made = cls(_plain(item, seen, depth - 1) for item in value)
    seen[id(value)] = made
    return made
