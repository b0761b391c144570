"""The reference's way of serving: one message, one inference, on the reference stack.

    python benchmarks/reference_service.py PORT CONFIG CHECKPOINT SCORE

For a Python with torch 1.12, mmcv 2.0.1, mmdet 3.1.0 and redis: subscribes to the
channel "images", predicts for each message alone, and publishes to "predictions". It
runs until it is ended, and prints "ready" when it is subscribed.
"""

import hashlib
import io
import json
import sys

import numpy as np
import redis
from mmdet.apis import inference_detector, init_detector
from PIL import Image


def to_opex(content: bytes, result, classes, score: float) -> str:
    found = result.pred_instances
    objects = []
    arrays = (found.bboxes.numpy(), found.labels.numpy(), found.scores.numpy())
    for box, label, value in zip(*arrays, strict=True):
        if value < score:
            continue
        left, top, right, bottom = (int(edge) for edge in box)
        corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
        objects.append(
            {
                "score": float(value),
                "label": classes[label],
                "bbox": {"left": left, "top": top, "right": right, "bottom": bottom},
                "polygon": {"points": corners},
            }
        )
    name = hashlib.sha256(content).hexdigest()
    return json.dumps({"id": name, "objects": objects, "meta": {}})


def main() -> None:
    port, config, checkpoint, score = sys.argv[1:]
    model = init_detector(config, checkpoint, device="cpu")
    classes = model.dataset_meta["classes"]
    client = redis.Redis(port=int(port))
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe("images")
    subscription.get_message(timeout=5)
    print("ready", flush=True)
    for message in subscription.listen():
        content = message["data"]
        # In the order of colours that the model was trained with.
        pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))[..., ::-1]
        result = inference_detector(model, np.ascontiguousarray(pixels))
        client.publish("predictions", to_opex(content, result, classes, float(score)))


if __name__ == "__main__":
    main()
