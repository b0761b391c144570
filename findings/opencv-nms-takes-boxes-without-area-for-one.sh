#!/usr/bin/env bash
# OpenCV, cv2.dnn.NMSBoxes and NMSBoxesBatched: two boxes without area have an IoU of 1, wherever they
# are, so that of all of them the best one alone is kept. By the usual definition they have nothing in
# common, and OpenVINO keeps each, as mmcv does. Such boxes are usual: a detector that cuts its boxes at
# the edges of the image makes lines of those beyond, and small boxes that are rounded to whole pixels
# become lines and points. So a program that selects with OpenCV what a network found has fewer objects
# than one that does so with OpenVINO, and only in some images.
# What helps: to leave boxes without area out before, or to keep all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for opencv in ${OPENCV:-4.11.0.86 5.0.0.93}; do
  "$folder/venv/bin/pip" install --quiet numpy==2.4.6 openvino==2026.4.1 \
    "opencv-python-headless==$opencv"
  "$folder/venv/bin/python" - <<'EOF'
import sys

import cv2
import numpy as np
import openvino
from openvino import opset13 as ops

IOU = 0.5
ALL = {
    "lines at three edges": [[0, 50, 0, 20], [640, 200, 0, 40], [300, 480, 60, 0]],
    "points": [[10, 10, 0, 0], [500, 300, 0, 0]],
    "a point and a box": [[10, 10, 0, 0], [500, 300, 5, 5]],
    "boxes": [[10, 10, 5, 5], [500, 300, 5, 5]],
}


def by_opencv(boxes, scores):
    return sorted(int(one) for one in cv2.dnn.NMSBoxes(boxes, scores, 0.1, IOU))


def by_openvino(boxes, scores):
    corners = np.array(boxes, np.float32)
    corners[:, 2:] += corners[:, :2]
    inputs = corners[None], np.array(scores, np.float32)[None, None]
    given = [ops.parameter(one.shape, np.float32) for one in inputs]
    limits = np.int64(len(boxes)), np.float32(IOU), np.float32(0.1)
    nms = ops.non_max_suppression(*given, *limits, box_encoding="corner")
    model = openvino.compile_model(openvino.Model([nms.output(0)], given), "CPU")
    found = model(list(inputs))[0]
    return sorted(int(one) for _, _, one in found if one >= 0)


print(f"OpenCV {cv2.__version__}, OpenVINO {openvino.__version__}")
lost = {}
for name, boxes in ALL.items():
    scores = np.linspace(0.9, 0.7, len(boxes)).tolist()
    kept = by_opencv(boxes, scores), by_openvino(boxes, scores)
    print(f"{name}: of {len(boxes)}, OpenCV keeps {kept[0]}, OpenVINO {kept[1]}")
    lost[name] = len(boxes) - len(kept[0]), len(boxes) - len(kept[1])
wanted = [(2, 0), (1, 0), (0, 0), (0, 0)]
sys.exit(list(lost.values()) != wanted)
EOF
done
