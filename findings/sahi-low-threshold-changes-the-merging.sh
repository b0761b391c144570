#!/usr/bin/env bash
# SAHI, get_sliced_prediction(postprocess_type=..., postprocess_match_metric=...): where the
# confidence threshold is below 0.1, the boxes of the slices are not merged as asked, but by NMS
# and IOU, whatever scores the boxes have. So an object that two slices cut is one box at a
# threshold of 0.3, and stays in two pieces at 0.05. A mAP needs the low scores, so it is
# measured at such a threshold, and is then that of another merging than the one in use at 0.3.
# The functions do as the command "sahi predict" does. A line in the log says so for each image.
# What helps: force_postprocess_type=True wherever two thresholds are compared.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "sahi==${SAHI:-0.12.8}" numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys
from importlib.metadata import version

import numpy as np
from sahi.models.base import DetectionModel
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction

SIZE, SLICE, OBJECT, SCORE = (100, 160), 100, (40, 30, 130, 70), 0.9


class Bright(DetectionModel):
    """Detects the box around all bright pixels, always with the same score."""

    def load_model(self):
        pass

    def perform_inference(self, image):
        rows, columns = np.nonzero(image[..., 0])
        self._original_predictions = [
            int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1,
        ]

    def _create_object_prediction_list_from_original_predictions(
        self, shift_amount_list, full_shape_list
    ):
        self._object_prediction_list_per_image = [[
            ObjectPrediction(
                bbox=self._original_predictions,
                category_id=0,
                category_name="bright",
                score=SCORE,
                shift_amount=shift_amount_list[0],
                full_shape=full_shape_list[0],
            )
        ]]


def predict(threshold, **more):
    result = get_sliced_prediction(
        image,
        Bright(confidence_threshold=threshold, device="cpu"),
        slice_height=SLICE,
        slice_width=SLICE,
        overlap_width_ratio=0.4,
        perform_standard_pred=False,
        postprocess_type="GREEDYNMM",
        postprocess_match_metric="IOS",
        verbose=0,
        **more,
    )
    boxes = (one.bbox.to_xyxy() for one in result.object_prediction_list)
    return sorted(tuple(map(int, box)) for box in boxes)


image = np.zeros((*SIZE, 3), np.uint8)
left, top, right, bottom = OBJECT
image[top:bottom, left:right] = 255
print(f"sahi {version('sahi')}: one object {OBJECT}, score {SCORE}, GREEDYNMM by IOS asked for")
high, low = predict(0.3), predict(0.05)
forced = predict(0.05, force_postprocess_type=True)
print(f"threshold 0.3: {high}")
print(f"threshold 0.05: {low}")
print(f"threshold 0.05, force_postprocess_type: {forced}")
sys.exit(not (high == forced == [OBJECT] and len(low) == 2))
EOF
