"""SAHI's side: slices of images through mmdet in torch, merged by its default.

Reads the paths of images, a line of JSON each, and writes seconds and COCO rows.
"""

import json
import sys
import time

import torch
from sahi import AutoDetectionModel
from sahi.predict import get_sliced_prediction


def main() -> None:
    job = json.loads(sys.argv[1])
    torch.set_num_threads(job["threads"])
    model = AutoDetectionModel.from_pretrained(
        model_type="mmdet",
        model_path=job["checkpoint"],
        config_path=job["config"],
        confidence_threshold=job["score"],
        device="cpu",
    )
    print("ready", flush=True)
    for line in sys.stdin:
        rows, begin = [], time.perf_counter()
        for number, path in enumerate(json.loads(line)):
            found = get_sliced_prediction(
                path,
                model,
                slice_height=job["size"],
                slice_width=job["size"],
                overlap_height_ratio=job["overlap"],
                overlap_width_ratio=job["overlap"],
                verbose=0,
            )
            rows += [
                {
                    "image_id": number,
                    "category_id": item.category.id,
                    "bbox": item.bbox.to_xywh(),
                    "score": float(item.score.value),
                }
                for item in found.object_prediction_list
            ]
        print(json.dumps([time.perf_counter() - begin, rows]), flush=True)


main()
