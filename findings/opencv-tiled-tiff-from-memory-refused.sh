#!/usr/bin/env bash
# OpenCV, an uncompressed TIFF in tiles whose size in bytes is no multiple of 1024, as 48 x 48
# or 112 x 112 pixels with three channels: imread reads it, imdecode of the same bytes gives
# None (and says "failed TIFFReadRGBATile" on stderr). TIFF asks for sides that are multiples
# of 16, so such tiles are valid; with sides that are multiples of 32 both work, and with
# strips and with compression too. So a file passes a check of the folder, and is refused
# when its bytes come over a network, from a database or through a decoder that reads first.
# The same in OpenCV 4.11, 4.13 and 5.0.
# What helps: tifffile for what imdecode refuses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "opencv-python-headless==${OPENCV:-5.0.0.93}" \
  tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'EOF'
import sys

import cv2
import numpy as np
import tifffile

print(f"OpenCV {cv2.__version__}, tifffile {tifffile.__version__}")
pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
results = {}
for side in range(16, 129, 16):
    tifffile.imwrite("tiles.tif", pixels, tile=(side, side), photometric="rgb")
    encoded = np.fromfile("tiles.tif", np.uint8)
    ways = (cv2.imread("tiles.tif"), cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    read = tuple(
        one is not None and bool((one[..., ::-1] == pixels).all()) for one in ways
    )
    left = side * side * 3 % 1024
    results[left == 0] = results.get(left == 0, set()) | {read}
    print(f"tiles of {side} px, {left} bytes over: imread {read[0]}, imdecode {read[1]}")
sys.exit(results != {True: {(True, True)}, False: {(True, False)}})
EOF
