#!/usr/bin/env bash
# OpenVINO, core.compile_model(PATH, device, {"CACHE_DIR": ...}): the cache knows a model by the
# path and the time of the file that is named, and does not look at the weights beside it. A
# model that is trained again and exported has the same model.xml, byte for byte, and another
# model.bin; so has an ONNX with its weights in a file of their own. Where only files that differ
# are copied (rsync --checksum, git, DVC, "write if changed"), the new weights are there
# and the old model goes on predicting, in each new process, without a warning.
# What helps: core.read_model first, and compile what it returns, whose weights are looked at.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 onnx==1.23.2
# Without what it depends on: numpy is there, and the other one reports each conversion.
"$folder/venv/bin/pip" install --quiet --no-deps "openvino==${OPENVINO:-2026.4.1}"
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper


def export(weight, folder):
    """Write a model that gives 4 x weight for ones, as ONNX and as IR, each of two files."""
    folder.mkdir()
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])
        for name in ("image", "score")
    ]
    weights = numpy_helper.from_array(np.full((4, 4), weight, np.float32), "weights")
    node = helper.make_node("MatMul", ["image", "weights"], ["score"])
    model = helper.make_model(
        helper.make_graph([node], "detector", ends[:1], ends[1:], [weights]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    openvino.save_model(openvino.Core().read_model(model.SerializeToString()), folder / "model.xml")
    onnx.save_model(
        model,
        folder / "model.onnx",
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
    )


def predict(path, read_first=False, **settings):
    core = openvino.Core()
    model = core.read_model(path) if read_first else path
    compiled = core.compile_model(model, "CPU", settings)
    score = compiled(np.ones((1, 4), np.float32))[0][0, 0]
    return float(score), compiled.get_property("LOADED_FROM_CACHE")


old, new = Path("old"), Path("new")
export(1, old)
export(2, new)
print(f"openvino {openvino.__version__}, onnx {onnx.__version__}: weights of 1 become 2")
right = True
for name, weights in (("model.xml", "model.bin"), ("model.onnx", "model.onnx.data")):
    same = (old / name).read_bytes() == (new / name).read_bytes()
    ways = {"by path": {}, "read first": {"read_first": True}}
    for way, how in ways.items():
        predict(old / name, CACHE_DIR=f"{name} {way}", **how)
    shutil.copyfile(new / weights, old / weights)
    found = {
        way: predict(old / name, CACHE_DIR=f"{name} {way}", **how) for way, how in ways.items()
    }
    found["no cache"] = predict(old / name)
    print(f"{name} is the same: {same}; with the new {weights}:")
    for way, (score, cached) in found.items():
        print(f"  {way}: {score}, from the cache {cached}")
    stale = found["by path"] == (4, True)
    right &= same and stale and found["read first"] == found["no cache"] == (8, False)
sys.exit(not right)
EOF
