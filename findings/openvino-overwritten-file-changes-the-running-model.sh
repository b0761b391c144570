#!/usr/bin/env bash
# OpenVINO, a model that is compiled and in use while its file is written again, as by a training
# that exports into the folder a service reads from: the compiled model changes with the file, in
# part. read_model maps model.bin into memory; compile_model copies what it packs anew (the weights
# of convolutions), and goes on using the rest from the map. save_model writes into the old file and
# makes no new one. So from then on the running model has the old weights and the new biases, which
# is neither of the two, without an error. It is so with weights of 32 bits; those that save_model
# stored as 16 bits, its default, were all copied.
# What helps: save beside it, and os.replace both files; or {"ENABLE_MMAP": False} for the reader.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "openvino==${OPENVINO:-2026.4.1}" numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import os
import sys

import numpy as np
import openvino as ov
from openvino import opset13 as ops

SHAPE = (1, 3, 64, 64)
OLD, NEW = {"weight": 1, "bias": 100}, {"weight": 2, "bias": 200}
PICTURE = np.ones(SHAPE, np.float32)
EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def network(weight, bias):
    picture = ops.parameter(SHAPE, np.float32)
    kernel = ops.constant(np.full((16, 3, 3, 3), weight, np.float32))
    filtered = ops.convolution(picture, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    offset = ops.constant(np.full((1, 16, 1, 1), bias, np.float32))
    return ov.Model([ops.add(filtered, offset)], [picture], "network")


def save(values, half):
    ov.save_model(network(**values), "model.xml", compress_to_fp16=half)


def save_and_replace(values, half):
    ov.save_model(network(**values), "new.xml", compress_to_fp16=half)
    for end in ("bin", "xml"):
        os.replace(f"new.{end}", f"model.{end}")


def answers(write, half=False, settings=None):
    """Of one compiled model before and after its file is written, and of one compiled then."""
    save(OLD, half)
    core = ov.Core()
    core.set_property(settings or {})
    running = core.compile_model("model.xml", "CPU", EXACT)
    before = centre(running)
    write(NEW, half)
    after = centre(running)
    return before, after, centre(core.compile_model("model.xml", "CPU", EXACT))


def centre(compiled):
    return round(float(compiled(PICTURE)[0][0, 0, 32, 32]))


old, new, mixed = 27 + 100, 54 + 200, 27 + 200
print(f"OpenVINO {ov.__version__}: the old model answers {old}, the new one {new}")
found = {
    "saved over it": answers(save),
    "saved over it, without mmap": answers(save, settings={"ENABLE_MMAP": False}),
    "saved over it, 16 bits": answers(save, half=True),
    "replaced": answers(save_and_replace),
}
for name, (before, after, again) in found.items():
    print(f"{name}: running {before}, then {after}; compiled again {again}")
over = found.pop("saved over it")
sys.exit(not (over == (old, mixed, new) and set(found.values()) == {(old, old, new)}))
EOF
