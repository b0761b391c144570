"""What runs a network: torch, or OpenVINO where the model can be traced.

Both take images as the test pipeline prepares them, and leave everything between the
network's outputs and the objects to mmdet's own code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mmdet_flow import cli
from mmdet_flow.cache import default_cache
from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.inference.int8_file import Int8Graph

BACKENDS = ("auto", "openvino", "torch")
PRECISIONS = ("fp32", "bf16", "int8")


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
    int8: Mapping[str, Int8Graph] = field(default_factory=dict)


def open_engine(model, identity: str, device: str, options: EngineOptions) -> Engine:
    """Return the engine of a model of mmdet.

    ``identity`` is a hash of everything that decides the network's outputs.
    Raises UsageError for options that do not go together, ModelError when the
    backend that was asked for cannot run this model.
    """
    from mmdet_flow.inference.engines.torch_engine import TorchEngine
    from mmdet_flow.roi_align import use_fast_roi_align

    if device == "cpu":
        use_fast_roi_align(model)
    reason = None
    if options.backend != "torch":
        reason = "it runs on the CPU alone" if device != "cpu" else None
        try:
            if reason is None:
                from mmdet_flow.inference.engines.openvino_engine import OpenVINOEngine

                return OpenVINOEngine(model, identity, options)
        except CannotTrace as error:
            reason = str(error)
        if options.backend == "openvino":
            raise ModelError(
                f"--backend openvino: cannot run this model ({reason}); leave the "
                "option out"
            )
        cli.log.info("torch runs this model, OpenVINO cannot: %s", reason)
    if options.precision != "fp32":
        raise UsageError(
            f"--precision {options.precision}: torch runs this model, in fp32 alone; "
            "leave the option out"
        )
    if device == "cpu":
        from mmdet_flow.model.speed import use_channels_last

        use_channels_last(model)
    return TorchEngine(model, options.threads)
