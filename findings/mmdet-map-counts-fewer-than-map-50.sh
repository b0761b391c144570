#!/usr/bin/env bash
# mmdet, CocoMetric, images with more than 100 objects of a class: the figures of one table count
# different detections. bbox_mAP has the best 100 of each image and class, whatever is set, as
# pycocotools has that number fixed for it; bbox_mAP_50, _75, _s, _m and _l and classwise=True have
# the best 1000, the last of proposal_nums. So a perfect detector of 250 cells has a mAP of 0.406
# and a mAP_50 of 1, and a mAP_s of 1 where all cells are small. RTMDet's configs set proposal_nums
# to (100, 1, 10), which sorted ends at 100, so that its mAP_50 is 0.406 too: it cannot be compared
# with that of YOLOX or Faster R-CNN. Their "AR@100" is that of the best one detection.
# The docstring has proposal_nums for proposals only.
# What helps: the mean of classwise=True; one proposal_nums for all models.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6 matplotlib==3.11.2 rich==15.0.0 \
  addict==2.4.0 pyyaml==6.0.3 termcolor==3.3.0 yapf==0.43.0 opencv-python-headless==4.11.0.86 \
  pycocotools==2.0.11 terminaltables==3.1.10 scipy==1.17.0 shapely==2.1.2 tqdm==4.67.1
# Without what they depend on: what is needed of that is there, and OpenCV is without windows.
"$folder/venv/bin/pip" install --quiet --no-deps mmengine==0.10.7 mmcv-lite==2.1.0 mmdet==3.3.0
cd "$folder"
venv/bin/python - <<'EOF'
import contextlib
import io
import json
import sys
import types
import warnings
from importlib.metadata import distribution, version
from pathlib import Path

import torch


class Operators(types.ModuleType):
    """Stands for mmcv's compiled operators, which mmdet imports and a metric does not call."""

    def __getattr__(self, name):
        return None


warnings.simplefilter("ignore")
sys.modules["mmcv._ext"] = Operators("mmcv._ext")
from mmdet.evaluation import CocoMetric  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

OBJECTS, SIDE, APART, IN_A_ROW = 250, 12, 16, 25
BOXES = [[APART * (n % IN_A_ROW), APART * (n // IN_A_ROW), SIDE, SIDE] for n in range(OBJECTS)]
SIZE = APART * IN_A_ROW


def truth():
    """One image of small cells, all of which are labelled."""
    return {
        "images": [{"id": 1, "width": SIZE, "height": SIZE, "file_name": "cells.png"}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "bbox": box}
            | {"area": SIDE**2, "iscrowd": 0}
            for number, box in enumerate(BOXES, 1)
        ],
    }


def scores(**options):
    """What the metric says of a detector that finds each cell exactly."""
    corners = torch.tensor(BOXES, dtype=torch.float32)
    corners[:, 2:] += corners[:, :2]
    found = {
        "bboxes": corners,
        "scores": torch.linspace(0.9, 0.5, OBJECTS),
        "labels": torch.zeros(OBJECTS, dtype=torch.long),
    }
    items = ["mAP", "mAP_50", "mAP_s", "AR@100"]
    with contextlib.redirect_stdout(io.StringIO()):
        metric = CocoMetric(ann_file="truth.json", classwise=True, metric_items=items, **options)
        metric.dataset_meta = {"classes": ("cell",)}
        metric.process({}, [{"img_id": 1, "ori_shape": (SIZE, SIZE), "pred_instances": found}])
        result = metric.evaluate(1)
    return {name.removeprefix("coco/"): round(float(value), 3) for name, value in result.items()}


def options_of(name):
    """The proposal_nums of a config of mmdet, where it has them."""
    config = Config.fromfile(distribution("mmdet").locate_file(f"mmdet/.mim/configs/{name}"))
    numbers = config.val_evaluator.get("proposal_nums")
    return {"proposal_nums": numbers} if numbers else {}


MMLogger.get_instance("quiet", log_level="ERROR")
Path("truth.json").write_text(json.dumps(truth()))
print(f"mmdet {version('mmdet')}, pycocotools {version('pycocotools')}: {OBJECTS} cells, all found")
results = []
for name, path in (
    ("YOLOX", "yolox/yolox_s_8xb8-300e_coco.py"),
    ("RTMDet", "rtmdet/rtmdet_tiny_8xb32-300e_coco.py"),
):
    options = options_of(path)
    results.append(scores(**options))
    print(f"{name}, {options or 'the default'}:")
    print("   ", ", ".join(f"{figure} {value}" for figure, value in results[-1].items()))
plain, rtmdet = results
others = ("bbox_mAP_50", "bbox_mAP_s", "cell_precision")
same = plain["bbox_mAP"] == rtmdet["bbox_mAP"] == rtmdet["bbox_mAP_50"] < 0.41
sys.exit(not (same and all(plain[name] == 1 for name in others) and rtmdet["bbox_AR@100"] < 0.01))
EOF
