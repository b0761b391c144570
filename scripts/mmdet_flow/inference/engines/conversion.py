"""Modules of torch as graphs of OpenVINO."""

from collections.abc import Sequence

import openvino
import torch
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import nn


def converted(module: nn.Module, inputs: Sequence[torch.Tensor]) -> openvino.Model:
    """Return the graph that a module takes with these inputs.

    Whether it gives the same for others is for the caller to compare. Torch's own check
    is left out: it runs the module twice more, with the inputs that were traced.
    """
    decoder = TorchScriptPythonDecoder(
        module, example_input=inputs, trace_kwargs={"check_trace": False}
    )
    return openvino.convert_model(decoder, example_input=inputs)
