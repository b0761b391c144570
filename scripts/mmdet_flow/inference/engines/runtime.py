"""OpenVINO on the CPU, for arrays of numpy."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from mmdet_flow.errors import UsageError
from mmdet_flow.imports import deferred

NOT_TO_RUN = (
    *("openvino.tools", "openvino.tools.ovc"),
    *(f"openvino.opset{number}" for number in range(1, 18)),
)
"""What converts or builds graphs: three quarters of the time to import OpenVINO."""

with deferred(NOT_TO_RUN):
    import openvino


class Runtime:
    """OpenVINO with the settings of all graphs of an engine.

    Attributes:
        streams: images that it computes at once.
    """

    def __init__(self, precision: str, threads: int, cache: Path | None = None) -> None:
        """Start it; ``cache`` is a folder for compiled graphs, or None to keep none.

        Raises UsageError for bf16 on a processor that has none.
        """
        _fill_tables()
        # Images are computed side by side. After a product of matrices, more threads of
        # numpy's would wait busily for the next one, on the cores that OpenVINO needs.
        threadpool_limits(1, user_api="blas")
        self._core = openvino.Core()
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise UsageError(
                "--precision bf16: this CPU has no bf16; leave the option out"
            )
        self._settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        if cache is not None:
            self._settings["CACHE_DIR"] = str(cache)
        # In int8, the parts that are not quantised are computed in fp32.
        self._precision = "bf16" if precision == "bf16" else "f32"
        self.streams = 1

    def compile(self, graph: openvino.Model, exact: bool = False) -> "Compiled":
        """Return a graph that is ready to run; ``exact`` means in fp32."""
        precision = "f32" if exact else self._precision
        settings = self._settings | {"INFERENCE_PRECISION_HINT": precision}
        compiled = self._core.compile_model(graph, "CPU", settings)
        self.streams = max(self.streams, compiled.get_property("NUM_STREAMS"))
        return Compiled(compiled)

    def read(self, xml: Path | bytes, weights: bytes | None = None) -> openvino.Model:
        """Return a graph; RuntimeError where it cannot be read."""
        return self._core.read_model(xml, weights)


def _fill_tables() -> None:
    """Have OpenVINO make its tables of types now.

    It makes them when they are first asked for. Two threads that ask at once may wait
    for each other without an end: for the table, and for the interpreter.
    """
    tensor = openvino.Tensor(np.zeros(1, np.uint8), shared_memory=True)
    _ = tensor.element_type.to_dtype(), tensor.data


class Compiled:
    """A compiled graph that any thread may call: each has a request of its own."""

    def __init__(self, compiled: openvino.CompiledModel) -> None:
        self._compiled = compiled
        self._requests = threading.local()

    def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs, which stay valid until this thread's next call."""
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        found = request.infer(arrays, share_inputs=True, share_outputs=True)
        return [found[port] for port in self._compiled.outputs]
