"""The graphs of a deployable form, ready to run."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import openvino

from mmdet_flow.cache import default_cache
from mmdet_flow.errors import ModelError
from mmdet_flow.files import StoredFile
from mmdet_flow.inference.deploy.form import (
    CANDIDATES,
    FIX,
    Rules,
    form_file,
    read_form,
)
from mmdet_flow.inference.engines.runtime import Compiled, Runtime
from mmdet_flow.inference.int8_file import StoredGraph


class Engine:
    """The graphs of a model by name, and what the outputs of the first are called.

    Attributes:
        streams: images that are computed at once.
    """

    name = "openvino"

    def __init__(
        self,
        checkpoint: StoredFile,
        rules: Rules,
        graphs: Mapping[str, StoredGraph],
        threads: int,
        precision: str,
    ) -> None:
        """Compile the graphs; ModelError where this OpenVINO cannot run them."""
        self.precision = precision
        self._names = rules.outputs
        self._levels = sum(name.startswith("scores-") for name in rules.outputs)
        runtime = Runtime(precision, threads, _compiled_cache())
        self.graphs = {
            name: Graph(name, form_file(checkpoint), runtime, graphs[name], ports)
            for name, ports in rules.graphs.items()
        }
        self.streams = runtime.streams

    def candidates(
        self, image: np.ndarray
    ) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """Return the scores of each level, and the other outputs by name.

        ``image`` is (height, width, 3) uint8 BGR, prepared. What is returned stays
        valid until this thread's next call.
        """
        found = self.graphs[CANDIDATES](image[None])
        named = zip(self._names[self._levels :], found[self._levels :], strict=True)
        return found[: self._levels], dict(named)


class Graph:
    """A graph of a form, which any thread may call.

    Attributes:
        watch: called with the inputs of each call, if it is set.
    """

    def __init__(
        self,
        name: str,
        place: StoredFile,
        runtime: Runtime,
        graph: StoredGraph,
        ports: tuple[int, int],
    ) -> None:
        """Compile it; ``ports`` are the numbers of its inputs and outputs."""
        self.watch: Callable[[Sequence[np.ndarray]], None] | None = None
        self._name, self._place = name, place
        self._compiled = self._compile(runtime, graph, ports)

    def _compile(
        self, runtime: Runtime, graph: StoredGraph, ports: tuple[int, int]
    ) -> Compiled:
        try:
            model = runtime.read(*graph)
            if (len(model.inputs), len(model.outputs)) != ports:
                raise ModelError(
                    f"{self._place}: its graph {self._name} has other outputs; {FIX}"
                )
            return runtime.compile(model)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or [""])[-1][:200]
            raise ModelError(
                f"{self._place}: this OpenVINO cannot run its graph ({reason}); {FIX}"
            ) from error

    def read(self) -> openvino.Model:
        """Return the graph in fp32."""
        _, graphs = read_form(self._place)
        return Runtime("fp32", 1).read(*graphs[self._name])

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Return the outputs, which stay valid until this thread's next call."""
        if self.watch:
            self.watch(inputs)
        return self._compiled(inputs)


def _compiled_cache() -> Path | None:
    """Return the folder where OpenVINO keeps compiled graphs, if it can be made."""
    folder = default_cache() / "openvino" / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder
