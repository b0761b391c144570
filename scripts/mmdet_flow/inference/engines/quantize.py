"""Graphs in int8: calibrated with images, for processors without faster bf16."""

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mmdet_flow.errors import UsageError
from mmdet_flow.inference.engines.openvino_engine import Graph
from mmdet_flow.inference.int8_file import Int8Graph

LARGEST_SAMPLES = 1 << 30
"""Bytes of inputs that are kept of a graph, in which the heads of regions have many."""


def quantize(detector, images: Iterable[np.ndarray]) -> dict[str, Int8Graph]:
    """Return the graphs of a detector in fp32 as graphs in int8, by name.

    Ranges of activations are those that the ``images``, each (height, width, 3) uint8
    BGR, give; weights and biases follow them ("post-training quantization" of NNCF).
    Raises UsageError for a model that torch runs.
    """
    graphs = getattr(detector.engine, "graphs", None)
    if graphs is None:
        raise UsageError(
            "--precision int8: torch runs this model, in fp32 alone; leave it out"
        )
    samples = {name: _Samples() for name in graphs}
    for name, graph in graphs.items():
        graph.watch = samples[name].add
    for image in images:  # one by one, so that their order is the same in each run
        detector.predict([image])
    for graph in graphs.values():
        graph.watch = None
    return {
        name: _quantize(graph, samples[name].kept) for name, graph in graphs.items()
    }


class _Samples:
    """The inputs of a graph, as long as they are not too many."""

    def __init__(self) -> None:
        self.kept: list[list[np.ndarray]] = []
        self._bytes = 0

    def add(self, inputs: Sequence) -> None:
        if self._bytes < LARGEST_SAMPLES and all(len(one) for one in inputs):
            self.kept.append([one.contiguous().numpy().copy() for one in inputs])
            self._bytes += sum(array.nbytes for array in self.kept[-1])


def _quantize(graph: Graph, samples: list[list[np.ndarray]]) -> Int8Graph:
    os.environ["NNCF_CI"] = "1"  # it reports to nobody then
    import nncf
    import openvino

    if not samples:
        raise UsageError("--precision int8: no image reaches each part of the model")
    if not graph.path.is_file():
        raise UsageError(
            f"--precision int8: {graph.path} could not be kept; see the warning above"
        )
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as t:
        form = nncf.quantize(
            openvino.Core().read_model(graph.path),
            nncf.Dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
        )
        # Names count what the process made before; the same graph has the same bytes.
        for number, operation in enumerate(form.get_ordered_ops()):
            operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
        path = Path(t) / "graph.xml"
        openvino.save_model(form, path, compress_to_fp16=False)
        return Int8Graph(path.read_bytes(), path.with_suffix(".bin").read_bytes())
