"""Compare the detections of OpenVINO with those of mmdet in torch, object by object.

    .venv/bin/python benchmarks/exactness.py --checkpoint FILE --images FOLDER

Torch runs without the score threshold moved before the suppression of duplicates, so
that is compared, too. The report says by how much boxes and scores differ at most,
and on how many images the number, order or labels of the objects do. Exit code 1 if
anything differs by more than 0.01 pixels or 1e-4.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from mmdet_flow.inference.detector import Detector
from mmdet_flow.inference.folder import list_images
from mmdet_flow.inference.images import read_image

PIXELS, SCORE = 0.01, 1e-4


def compare(checkpoint: Path, images: list[Path], score: float) -> dict:
    """Return the report on one checkpoint."""
    import torch

    from mmdet_flow import roi_align
    from mmdet_flow.model import speed

    ours = Detector(checkpoint, score=score, backend="openvino")
    # The other side is as mmdet and mmcv made it.
    roi_align.use_fast_roi_align = speed.use_channels_last = lambda model: None
    torchs = Detector(checkpoint, backend="torch")
    report = {
        "checkpoint": checkpoint.name,
        "images": len(images),
        "score": score,
        "objects": 0,
        "images_that_differ": [],
        "largest_box_difference": 0.0,
        "largest_score_difference": 0.0,
        "mask_pixels": 0,
        "mask_pixels_that_differ": 0,
    }
    for path in images:
        pixels = read_image(path)[1]
        torch.set_num_threads(1)
        mine = ours.predict([pixels])[0].above(score)
        torch.set_num_threads(2)
        theirs = torchs.predict([pixels])[0].above(score)
        report["objects"] += len(theirs)
        if not np.array_equal(mine.labels, theirs.labels):
            report["images_that_differ"].append(path.name)
            continue
        for key, a, b in (
            ("largest_box_difference", mine.boxes, theirs.boxes),
            ("largest_score_difference", mine.scores, theirs.scores),
        ):
            worst = float(np.abs(a - b).max(initial=0))
            report[key] = max(report[key], worst)
        if theirs.masks is not None:
            report["mask_pixels"] += int(theirs.masks.sum())
            differ = int((mine.masks ^ theirs.masks).sum())
            report["mask_pixels_that_differ"] += differ
    report["exact"] = (
        not report["images_that_differ"]
        and report["largest_box_difference"] <= PIXELS
        and report["largest_score_difference"] <= SCORE
    )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder")
    parser.add_argument("--image-list", type=Path, help="only these, a name a line")
    parser.add_argument("--score", type=float, default=0.3)
    parser.add_argument("--output", type=Path, help="write the report here as well")
    args = parser.parse_args()
    images = list_images(args.images, args.image_list)
    report = compare(args.checkpoint, images, args.score)
    text = json.dumps(report, indent=1)
    print(text)
    if args.output:
        args.output.write_text(text + "\n")
    sys.exit(not report["exact"])


if __name__ == "__main__":
    main()
