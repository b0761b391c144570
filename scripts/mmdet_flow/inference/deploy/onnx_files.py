"""The graphs of a deployable form as ONNX, for runtimes other than OpenVINO."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import openvino
import torch

from mmdet_flow.errors import ModelError, UsageError
from mmdet_flow.files import write_if_changed
from mmdet_flow.inference.deploy.export import Part, require_equal
from mmdet_flow.inference.deploy.form import ABOUT, Form, description, digest
from mmdet_flow.inference.engines.engine import CannotTrace

OPSET = 17
"""Of the operators; runtimes of 2022 and later have them."""


def write_onnx(folder: Path, form: Form, parts: Mapping[str, Part]) -> None:
    """Write each part of a model as NAME.onnx, and what surrounds them as model.json.

    Raises ModelError where a graph would give something else than torch, UsageError
    where the package onnx is missing.
    """
    require_onnx()
    graphs = {}
    for name, part in parts.items():
        try:
            graphs[name] = _graph(part)
        except CannotTrace as error:
            raise ModelError(f"{folder}: no ONNX of its {name}: {error}") from error
    form = replace(
        form, sha256=digest(form.rules, {n: (g,) for n, g in graphs.items()})
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs.items():
        write_if_changed(folder / f"{name}.onnx", graph)
    write_if_changed(folder / ABOUT, description(form))


def require_onnx() -> None:
    """Raise UsageError if torch cannot write ONNX here."""
    if find_spec("onnx") is None:
        raise UsageError(
            "--onnx: the package onnx is not installed; make onnx installs it"
        )


def _graph(part: Part) -> bytes:
    inputs = [f"input-{number}" for number in range(len(part.module.shapes))]
    free = {
        name: {axis: f"{name}-{axis}" for axis, size in enumerate(shape) if size < 0}
        for name, shape in zip(inputs, part.module.shapes, strict=True)
    }
    written = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is fixed in the graph is compared
        torch.onnx.export(
            part.module,
            part.probes[0],
            written,
            input_names=inputs,
            dynamic_axes=free,
            opset_version=OPSET,
            dynamo=False,
        )
        graph = openvino.Core().read_model(written.getvalue())
        require_equal(graph, part)
    return written.getvalue()
