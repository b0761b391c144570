"""The limit: the network alone in OpenVINO's throughput mode, after decoding if asked.

A thread for each of OpenVINO's streams takes images one after another. The network is
that of mmdet without what comes after it; of a two-stage detector it is backbone, neck
and the proposal head.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.folder import list_images


def main() -> None:
    job = json.loads(sys.argv[1])
    detector = Detector(
        Path(job["checkpoint"]),
        threads=job["threads"],
        backend="openvino",
        precision=job["precision"],
    )
    model = detector.engine._model
    streams = ThreadPoolExecutor(job["threads"])
    print("ready", flush=True)
    inputs = None
    for line in sys.stdin:
        paths = [str(path) for path in list_images(Path(line.strip()))]
        if inputs is None:
            inputs = {path: tensor_of(detector, cv2.imread(path)) for path in paths}

        def compute(path: str) -> None:
            if job["decode"]:
                cv2.imread(path)
            model.extract_feat(inputs[path])  # noqa: B023

        start = time.perf_counter()
        for _ in streams.map(compute, paths):
            pass
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, 0, 0]), flush=True)


def tensor_of(detector: Detector, image):
    """Return what the network is fed for an image."""
    item = detector._prepare(image)
    data = {key: [item[key]] for key in ("inputs", "data_samples")}
    return detector.engine._model.data_preprocessor(data, False)["inputs"]


main()
