"""The reference stack's way of predicting, as a plain loop. Runs in its environment.

For each image: look at the folder, decode with PIL, `inference_detector` on one array
(which builds the pipeline anew), the first contour of each mask as polygon, OPEX by
fast-opex, and the next look. Channels are put in the model's order, so that the same
objects are found and written as on our side.
"""

import json
import os
import resource
import sys
import time
import warnings
from datetime import datetime

import cv2
import numpy as np
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config
from opex import BBox, ObjectPrediction, ObjectPredictions, Polygon
from PIL import Image


def polygon_of(mask, box):
    left, top, right, bottom = box
    if mask is not None:
        contours, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        if contours and len(contours[0]) > 2:
            return [[int(x), int(y)] for x, y in contours[0][:, 0]]
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def predict_folder(model, folder, output, score):
    classes = model.dataset_meta["classes"]
    count = 0
    for name in sorted(os.listdir(folder)):
        array = np.array(Image.open(os.path.join(folder, name)).convert("RGB"))
        found = inference_detector(model, array[:, :, ::-1]).pred_instances
        masks = found.masks.numpy() if "masks" in found else None
        objects = []
        for index in range(len(found)):
            if float(found.scores[index]) < score:
                continue
            box = [int(value) for value in found.bboxes[index]]
            mask = None if masks is None else masks[index]
            objects.append(
                ObjectPrediction(
                    score=float(found.scores[index]),
                    label=classes[int(found.labels[index])],
                    bbox=BBox(*box),
                    polygon=Polygon(points=polygon_of(mask, box)),
                )
            )
        count += len(objects)
        stamp = datetime.now().strftime("%Y%m%d_%H%M%S.%f")
        opex = ObjectPredictions(id=name, timestamp=stamp, objects=objects)
        stem = os.path.splitext(name)[0]
        opex.save_json_to_file(os.path.join(output, stem + ".json"))
    return count


def main():
    job = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(job["threads"])
    model = init_detector(
        Config.fromfile(job["config"]), job["checkpoint"], device="cpu"
    )
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        count = predict_folder(model, line.strip(), job["output"], job["score"])
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([seconds, count, peak]), flush=True)


main()
