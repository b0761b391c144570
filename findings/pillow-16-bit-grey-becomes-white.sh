#!/usr/bin/env bash
# Pillow, a grey PNG or TIFF of 16 bits, as microscopes, X-ray and thermal cameras write them:
# convert("RGB") and convert("L") do not scale the values to 8 bits, they cut them off at 255. So
# all pixels of 256 and more, in most pictures nearly all, are white, without an error. A PNG of
# 16 bits in colour is scaled, and OpenCV scales both. So a data set looks right where OpenCV
# reads it, and a loader that is written with Image.open(path).convert("RGB"), or set to Pillow,
# trains on or predicts white pictures.
# What helps: np.asarray(image) >> 8 for images whose mode begins with "I;16"; or OpenCV.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "pillow==${PILLOW:-13.0.0}" \
  "opencv-python-headless==4.11.0.86" numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import sys

import cv2
import numpy as np
import PIL
from PIL import Image

ramp = np.linspace(0, 2**16 - 1, 2**14).astype(np.uint16).reshape(128, 128)
expected = np.dstack([ramp >> 8] * 3).astype(int)
print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}; a ramp of all values")
white = {}
for name, pixels in (("grey", ramp), ("colour", np.dstack([ramp] * 3))):
    for path in (f"{name}.png", f"{name}.tif"):
        cv2.imwrite(path, pixels)
        image = Image.open(path)
        by_pillow = np.asarray(image.convert("RGB"))
        white[path] = float((by_pillow == 255).mean())
        off = [np.abs(one - expected).max() for one in (cv2.imread(path), by_pillow)]
        print(
            f"{path}, mode {image.mode}: at most {off[0]} off by OpenCV, {off[1]} by "
            f"Pillow, where {white[path]:.1%} is white"
        )
helped = np.asarray(Image.open("grey.png")) >> 8
print("upper 8 bits of grey.png: all right", bool((helped == expected[..., 0]).all()))
sys.exit({path for path, part in white.items() if part > 0.99} != {"grey.png", "grey.tif"})
EOF
