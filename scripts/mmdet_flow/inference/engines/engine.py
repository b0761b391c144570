"""What an engine is, and what the user may choose of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mmdet_flow.cache import default_cache
from mmdet_flow.inference.int8_file import StoredGraph

BACKENDS = ("auto", "openvino", "torch")

TOLERANCE = 1e-3
"""Greatest difference to torch, as a fraction of the largest output (or of 1)."""


class Engine(Protocol):
    """A network that is ready to run.

    ``name`` is "openvino" or "torch"; ``precision`` is one of PRECISIONS.
    """

    name: str
    precision: str

    def infer(self, batch: Sequence[dict]) -> list:
        """Return a DetDataSample for each prepared image, in their order."""


class CannotTrace(Exception):
    """The model has a form that OpenVINO cannot run, or not with equal results."""


@dataclass(frozen=True)
class EngineOptions:
    """What the user may choose.

    Attributes:
        backend: "openvino", "torch", or "auto" for the first of them that works.
        precision: "fp32" is exact; "bf16" is faster on CPUs that have it, and "int8"
            on others.
        threads: CPU threads of the network.
        cache: folder of converted models.
        int8: the graphs of the model in int8, by name, for that precision alone.
    """

    backend: str
    precision: str
    threads: int
    cache: Path = field(default_factory=default_cache)
    int8: Mapping[str, StoredGraph] = field(default_factory=dict)
