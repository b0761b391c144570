#!/usr/bin/env bash
# OpenVINO, openvino.convert_model(module): the module that is passed is set to evaluation, and
# stays so; also with dynamo=True and without example_input. torch.jit.trace, by which it is
# converted, leaves the mode alone. So a training that converts its model between two epochs (to
# see whether it can be deployed, or to measure its speed) goes on with batch norms that keep
# their statistics and dropouts that drop nothing, and nothing says so.
# What helps: convert copy.deepcopy(module); or module.train() afterwards, where no part of it
# was frozen by evaluation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
# Without what it depends on: numpy is there, and the other one reports each conversion.
"$folder/venv/bin/pip" install --quiet --no-deps "openvino==${OPENVINO:-2026.4.1}"
"$folder/venv/bin/python" - <<'EOF'
import copy
import sys
import warnings

import openvino
import torch

warnings.simplefilter("ignore")
images = torch.rand(2, 3, 16, 16, generator=torch.manual_seed(0))


def after(convert):
    """Whether the module is in training after it, and a step changes what its norm knows."""
    norm = torch.nn.BatchNorm2d(3)
    module = torch.nn.Sequential(norm, torch.nn.Conv2d(3, 4, 3)).train()
    convert(module)
    mean = norm.running_mean.clone()
    module(images)
    return module.training, bool((norm.running_mean != mean).any())


def traced(module):
    openvino.convert_model(module, example_input=images)


ways = {
    "nothing": lambda module: None,
    "convert_model, traced": traced,
    "convert_model, scripted": openvino.convert_model,
    "convert_model of a copy": lambda module: traced(copy.deepcopy(module)),
    "torch.jit.trace": lambda module: torch.jit.trace(module, images),
}
print(f"openvino {openvino.__version__}, torch {torch.__version__}")
results = {name: after(way) for name, way in ways.items()}
for name, (training, changes) in results.items():
    print(f"after {name}: training {training}, batch norm learns {changes}")
ended = {name for name, result in results.items() if result == (False, False)}
sys.exit(ended != {"convert_model, traced", "convert_model, scripted"})
EOF
