#!/usr/bin/env bash
# cleanlab, object_detection.filter.find_label_issues, which is to find images with wrong labels: a
# detection speaks against the labels only if its score is above 0.95. That number is fixed, and
# detectors that learn how well their boxes fit, as RTMDet does, seldom score so high (one for blood
# cells gave 0.85 at most). So a perfect detector whose scores end at 0.94 finds none of the missing
# objects and swapped classes, and all images have a quality of 1, as if the data set were clean.
# The same detections with scores above 0.95, in the same order, find all of them. And an object
# that is labelled where there is none, with no detection near it, is not found at any score.
# What helps: scores ** 0.1 or so, which keeps their order; objects without a detection by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "cleanlab==${CLEANLAB:-2.9.0}" numpy==2.4.6 \
  pandas==3.1.1 scikit-learn==1.9.1
"$folder/venv/bin/python" - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
from cleanlab.object_detection.filter import find_label_issues
from cleanlab.object_detection.rank import get_label_quality_scores

KINDS, FOUND = ("right", "missing", "swapped", "spurious"), ("missing", "swapped")
OF_EACH, CLASSES = 15, 2
OBJECTS = np.array([[10, 10, 40, 40], [60, 10, 90, 40], [10, 60, 40, 90]])
NOWHERE = [[60, 60, 90, 90]]


def labelled(kind, classes):
    """The labels of an image with the objects above, one of them wrong in this way."""
    boxes, classes = OBJECTS.copy(), classes.copy()
    if kind == "missing":
        boxes, classes = boxes[1:], classes[1:]
    elif kind == "swapped":
        classes[0] = 1 - classes[0]
    elif kind == "spurious":
        boxes, classes = np.vstack([boxes, NOWHERE]), np.append(classes, 0)
    return {"bboxes": boxes.astype(float), "labels": classes}


def detected(classes, scores):
    """All objects of an image, exactly, in cleanlab's form: an array of boxes for each class."""
    found = np.empty(CLASSES, object)
    for one in range(CLASSES):
        found[one] = np.column_stack([OBJECTS, scores])[classes == one]
    return found


def flagged(lowest, highest, power=1):
    """How many images of each kind are flagged, and the range of quality of the wrong ones."""
    random = np.random.default_rng(0)
    labels, detections = [], []
    for kind in KINDS * OF_EACH:
        classes = random.integers(0, CLASSES, len(OBJECTS))
        labels.append(labelled(kind, classes))
        scores = random.uniform(lowest, highest, len(OBJECTS)) ** power
        detections.append(detected(classes, scores))
    issues = find_label_issues(labels, detections).reshape(OF_EACH, len(KINDS))
    quality = get_label_quality_scores(labels, detections, verbose=False)
    wrong = quality.reshape(OF_EACH, len(KINDS))[:, 1:]
    return dict(zip(KINDS, issues.sum(0).tolist())), wrong.min(), wrong.max()


print(f"cleanlab {version('cleanlab')}: of {OF_EACH} images each, flagged; quality of wrong ones")
results = {}
for name, arguments in {
    "scores 0.60 to 0.94": (0.6, 0.94),
    "scores 0.96 to 0.99": (0.96, 0.99),
    "scores 0.61 to 0.94, ** 0.1": (0.61, 0.94, 0.1),
}.items():
    results[name], *quality = flagged(*arguments)
    print(f"{name}: {results[name]}, {quality[0]:.2f} to {quality[1]:.2f}")
none = dict.fromkeys(KINDS, 0)
below, above, raised = results.values()
sys.exit(not (below == none and above == raised == none | dict.fromkeys(FOUND, OF_EACH)))
EOF
