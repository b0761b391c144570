#!/usr/bin/env bash
# OpenVINO, openvino.convert_model(module, example_input=...): what one run of the module costs is
# paid five times. torch.jit.trace is left at its default, check_trace=True: it traces, traces
# again, and runs the module and both traces to compare them, all with the one example, and at
# most warns. convert_model has no argument to turn this off. A detector at its full size takes
# seconds a run on a CPU, so the check is most of what the conversion takes.
# What helps: to hand it a decoder, TorchScriptPythonDecoder(module, example_input=...,
# trace_kwargs={"check_trace": False}), or a module that is traced already; and to compare the
# result with the module on other inputs, which the check does not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
# Without what it depends on: numpy is there, and the other one reports each conversion.
"$folder/venv/bin/pip" install --quiet --no-deps "openvino==${OPENVINO:-2026.4.1}"
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - <<'EOF'
import sys
import time
import warnings

import openvino
import torch
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

warnings.simplefilter("ignore")


class Counted(torch.nn.Sequential):
    runs = 0

    def forward(self, image):
        self.runs += 1
        return super().forward(image)


def with_decoder():
    decoder = TorchScriptPythonDecoder(
        module, example_input=image, trace_kwargs={"check_trace": False}
    )
    openvino.convert_model(decoder, example_input=image)


def with_traced():
    traced = torch.jit.trace(module, image, check_trace=False)
    openvino.convert_model(traced, example_input=image)


def cost(work):
    begun, module.runs = time.process_time(), 0
    work()
    return time.process_time() - begun, module.runs


module = Counted(*(torch.nn.Conv2d(32, 32, 3, padding=1) for _ in range(10))).eval()
image = torch.rand(1, 32, 256, 256)
ways = {
    "the module": lambda: module(image),
    "convert_model(module)": lambda: openvino.convert_model(module, example_input=image),
    "convert_model(decoder)": with_decoder,
    "convert_model(traced)": with_traced,
}
openvino.convert_model(module, example_input=image)  # once, so that all is imported
print(f"openvino {openvino.__version__}, torch {torch.__version__}")
costs = {name: cost(way) for name, way in ways.items()}
for name, (seconds, runs) in costs.items():
    print(f"{name}: {seconds:.2f} s of processor time, {runs} runs in Python")
_, plain, *others = costs.values()
sys.exit(plain[1] != 3 or any(o[1] != 1 or plain[0] < 2 * o[0] for o in others))
EOF
