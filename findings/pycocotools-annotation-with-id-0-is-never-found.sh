#!/usr/bin/env bash
# pycocotools, COCOeval: a ground truth whose annotations are counted from 0 scores too low, with
# no warning. The matrix of matches holds the id of the annotation that a detection found, and 0
# where it found none. So what finds annotation 0 is a false positive, and its object is missed.
# In a large data set it costs a little; in a small one, or for a rare class, a lot: perfect
# detections of two objects get an AP of 0.25. Splits that are numbered anew from 0 each have it.
# COCO's format does not say where ids begin, and its index and its other functions take 0.
# What helps: ids from 1. Image and category ids may be 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pycocotools==2.0.11 numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import contextlib
import io
import sys
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BOXES = [[10, 10, 20, 20], [50, 50, 20, 20]]


def scores(annotation, image=1, category=1):
    """Average precision and recall of perfect detections, with ids that begin so."""
    objects = [{"image_id": image, "category_id": category, "bbox": box} for box in BOXES]
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image, "width": 100, "height": 100}],
        "categories": [{"id": category, "name": "cell"}],
        "annotations": [
            one | {"id": number, "area": 400, "iscrowd": 0}
            for number, one in enumerate(objects, annotation)
        ],
    }
    truth.createIndex()
    found = truth.loadRes([one | {"score": 0.9} for one in objects])
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return round(float(evaluation.stats[0]), 3), round(float(evaluation.stats[8]), 3)


with contextlib.redirect_stdout(io.StringIO()):
    right, low, others = scores(1), scores(0), scores(1, image=0, category=0)
print(f"pycocotools {version('pycocotools')}: two objects, both found exactly")
print(f"annotations from 1: AP {right[0]}, recall {right[1]}")
print(f"annotations from 0: AP {low[0]}, recall {low[1]}")
print(f"image and category 0, annotations from 1: AP {others[0]}, recall {others[1]}")
sys.exit(not (right == others == (1, 1) and low[0] < 0.3 and low[1] == 0.5))
EOF
