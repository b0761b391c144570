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
from mmdet_flow.inference.int8_file import StoredGraph

WEIGHTED = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "MatMul")
"""Operations that gain from int8, together with what leads to them."""

NO_OPERATIONS = ("Constant", "Parameter", "Result")

LARGEST_SAMPLES = 1 << 30
"""Bytes of inputs that are kept of a graph, in which the heads of regions have many."""


def quantize(detector, images: Iterable[np.ndarray]) -> dict[str, StoredGraph]:
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
            self.kept.append([np.array(one) for one in inputs])
            self._bytes += sum(array.nbytes for array in self.kept[-1])


def _quantize(graph, samples: list[list[np.ndarray]]) -> StoredGraph:
    os.environ["NNCF_CI"] = "1"  # it reports to nobody then
    import nncf
    import openvino

    if not samples:
        raise UsageError("--precision int8: no image reaches each part of the model")
    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as t:
        form = graph.read()
        form = nncf.quantize(
            form,
            nncf.Dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
            ignored_scope=nncf.IgnoredScope(names=_after_weights(form)),
        )
        # Names count what the process made before; the same graph has the same bytes.
        for number, operation in enumerate(form.get_ordered_ops()):
            operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
        path = Path(t) / "graph.xml"
        openvino.save_model(form, path, compress_to_fp16=False)
        return StoredGraph(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _after_weights(form) -> list[str]:
    """Return the names of the operations that lead to none with weights.

    They make scores and coordinates of the network's last outputs, for which the steps
    of int8 are too large.
    """
    leading: set[str] = set()
    for operation in reversed(form.get_ordered_ops()):
        name = operation.get_friendly_name()
        if operation.get_type_name() in WEIGHTED or name in leading:
            inputs = operation.input_values()
            leading |= {name} | {one.get_node().get_friendly_name() for one in inputs}
    return [
        operation.get_friendly_name()
        for operation in form.get_ordered_ops()
        if operation.get_friendly_name() not in leading
        and operation.get_type_name() not in NO_OPERATIONS
    ]
