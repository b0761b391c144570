"""Our side: images by their tiles, or as they are where no size is given.

Reads the paths of images, a line of JSON each, and writes seconds and COCO rows.
"""

import json
import sys
import time
from pathlib import Path

from mmdet_flow.formats.coco_results import to_coco_results
from mmdet_flow.images import read_image
from mmdet_flow.inference.opening import open_detector
from mmdet_flow.tiles import Tiles


def main() -> None:
    job = json.loads(sys.argv[1])
    detector = open_detector(
        Path(job["checkpoint"]),
        threads=job["threads"],
        score=job["score"],
        tiles=Tiles(job["size"], job["overlap"]) if job["size"] else None,
    )
    categories = range(len(detector.classes))
    print("ready", flush=True)
    for line in sys.stdin:
        rows, begin = [], time.perf_counter()
        paths = json.loads(line)
        for start in range(0, len(paths), 8):
            some = list(enumerate(paths))[start : start + 8]
            pixels = [read_image(Path(path))[1] for _, path in some]
            for (number, _), found in zip(some, detector.predict(pixels), strict=True):
                rows += to_coco_results(number, found, categories)["bbox"]
        print(json.dumps([time.perf_counter() - begin, rows]), flush=True)


main()
