#!/usr/bin/env bash
# OpenVINO, compiled_model(image) from several threads, as web servers and thread pools call it:
# most answers can be those of an image of another thread, and there is no error. The call keeps one
# request in the compiled model and uses it for all threads: it sets the input, runs, and reads the
# output, and nothing keeps another thread from replacing one of them in between. Its docstring says
# that it "Blocks all methods of CompiledModel while request is running". A test with one client at
# a time is right, and so is a server until two clients come at once.
# What helps: compiled_model.create_infer_request() for each thread; or a lock around the call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "openvino==${OPENVINO:-2026.4.1}" numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openvino as ov
from openvino import opset13 as ops

SHAPE, THREADS, IMAGES = (1, 3, 256, 256), 4, 200


def mean_of_blurred():
    """A network whose answer for a picture of one value is that value."""
    picture = ops.parameter(SHAPE, np.float32)
    kernel = ops.constant(np.full((8, 3, 3, 3), 1 / 27, np.float32))
    blurred = ops.convolution(picture, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return ov.Model([ops.reduce_mean(blurred, ops.constant([1, 2, 3]))], [picture], "mean")


def wrong(ask, values):
    """How many of the pictures of these values get another answer."""
    pictures = {value: np.full(SHAPE, value, np.float32) for value in values}
    return sum(
        abs(float(ask(pictures[value])[0][0]) - value) > 0.01
        for _ in range(IMAGES // len(values))
        for value in values
    )


def in_threads(ask_of_thread):
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(
            pool.map(lambda value: wrong(ask_of_thread(), [value]), range(1, THREADS + 1))
        )


settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
model = ov.Core().compile_model(mean_of_blurred(), "CPU", settings)
lock = threading.Lock()


def locked(picture):
    with lock:
        return model(picture)


print(f"OpenVINO {ov.__version__}: answers that are of another picture")
one = wrong(model, range(1, THREADS + 1))
print(f"one thread: {one} of {IMAGES}")
mixed = in_threads(lambda: model)
print(f"{THREADS} threads call the model: {mixed} of {THREADS * IMAGES}, no error")
own = in_threads(lambda: model.create_infer_request().infer)
print(f"{THREADS} threads, a request each: {own} of {THREADS * IMAGES}")
guarded = in_threads(lambda: locked)
print(f"{THREADS} threads, a lock: {guarded} of {THREADS * IMAGES}")
sys.exit(not (mixed > THREADS * IMAGES / 20 and one == own == guarded == 0))
EOF
