"""The limit: the network alone, in OpenVINO's throughput mode, on ready tensors.

Of a two-stage detector that is backbone, neck and the proposal head.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmdet_flow.images import read_image
from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.folder import list_images


def main() -> None:
    job = json.loads(sys.argv[1])
    detector = Detector(
        Path(job["checkpoint"]),
        Path(job["config"]),
        job["threads"],
        backend="openvino",
        precision=job["precision"],
    )
    model = detector.engine._model
    streams = ThreadPoolExecutor(job["threads"])
    print("ready", flush=True)
    inputs = None
    for line in sys.stdin:
        if inputs is None:
            paths = list_images(Path(line.strip()))
            inputs = [tensor_of(detector, read_image(path)[1]) for path in paths]
        start = time.perf_counter()
        for _ in streams.map(model.extract_feat, inputs):
            pass
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, 0, 0]), flush=True)


def tensor_of(detector: Detector, image):
    """Return what the network is fed for an image."""
    item = detector._prepare(image)
    data = {key: [item[key]] for key in ("inputs", "data_samples")}
    return detector.engine._model.data_preprocessor(data, False)["inputs"]


main()
