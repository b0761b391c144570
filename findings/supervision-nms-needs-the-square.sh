#!/usr/bin/env bash
# supervision, Detections.with_nms (and InferenceSlicer, which merges what tiles find by it): a NMS
# in numpy that computes the IoU of each box with each other one, of all classes, however far apart,
# before it begins. Memory and time grow as the square of the boxes: 16,000 boxes, as a microscope's
# slide in tiles easily has, took 13 GB, where OpenCV's NMS needs a few MB. So a part of a slide is
# well, and the whole slide ends in a killed process.
# What helps: cv2.dnn.NMSBoxesBatched, which keeps the same boxes, and detections[kept].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "supervision==${SUPERVISION:-0.31.2}" numpy==2.4.6 \
  opencv-python-headless==4.11.0.86
"$folder/venv/bin/python" - <<'EOF'
import sys
import time
import tracemalloc

import cv2
import numpy as np
import supervision as sv

SLIDE, SIDE, CLASSES, IOU, COUNTS = 50_000, 40, 4, 0.5, (500, 1000, 2000)


def on_a_slide(count):
    """Half as many objects as ``count``, each of which is found twice."""
    random = np.random.default_rng(count)
    corners = random.uniform(0, SLIDE, (count // 2, 2))
    corners = np.vstack([corners, corners + random.uniform(-5, 5, corners.shape)])
    return sv.Detections(
        xyxy=np.hstack([corners, corners + SIDE]),
        confidence=random.permutation(count) / count,
        class_id=np.tile(random.integers(0, CLASSES, count // 2), 2),
    )


def by_supervision(found):
    return found.with_nms(IOU)


def by_opencv(found):
    corner, size = found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]
    boxes = np.hstack([corner, size]).tolist()
    kept = cv2.dnn.NMSBoxesBatched(
        boxes, found.confidence.tolist(), found.class_id.tolist(), 0, IOU
    )
    return found[np.sort(kept)]


def cost(work, found):
    tracemalloc.start()
    begun = time.process_time()
    kept = work(found)
    seconds, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20, seconds, {tuple(box) for box in kept.xyxy}


print(f"supervision {sv.__version__}, OpenCV {cv2.__version__}")
peaks, same = {}, True
for count in COUNTS:
    found = on_a_slide(count)
    costs = {work.__name__: cost(work, found) for work in (by_supervision, by_opencv)}
    for name, (peak, seconds, kept) in costs.items():
        print(f"{count} boxes, {name}: {len(kept)} kept, {peak:.0f} MB, {seconds:.2f} s")
    peaks[count] = [peak for peak, *_ in costs.values()]
    same &= len({frozenset(kept) for *_, kept in costs.values()}) == 1
growth = [after / before for before, after in zip(peaks[COUNTS[0]], peaks[COUNTS[-1]])]
print(f"memory, from {COUNTS[0]} to {COUNTS[-1]} boxes: times {growth[0]:.1f}, {growth[1]:.1f}")
sys.exit(not (same and growth[0] > 12 and growth[1] < 6))
EOF
