#!/usr/bin/env bash
# OpenCV, a TIFF in tiles, of grey with 16 bits, or of grey with an alpha channel, that is
# read as 8 bits (imread and imdecode by default; IMREAD_GRAYSCALE): where the width is no
# multiple of that of the tiles, the last column of tiles is sheared. Its rows are taken to
# be as long as what is left of the image, though the file has them as long as a tile. There
# is no error, and the rest of the picture is right, so that training and prediction go on
# with a strip that is noise. Microscopes and scanners write such files. Strips, colours and
# grey of 8 bits are right, and so is 16-bit grey with IMREAD_ANYDEPTH, though that does not
# invert a picture whose white is 0.
# What helps: tifffile for such files, and the upper 8 bits of what it gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "opencv-python-headless==${OPENCV:-5.0.0.93}" \
  tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import sys

import cv2
import numpy as np
import tifffile

WIDTH, HEIGHT, TILE = 300, 200, 64
deep = np.random.default_rng(0).integers(0, 2**16, (HEIGHT, WIDTH), np.uint16)
expected = (deep >> 8).astype(np.uint8)
options = {"photometric": "minisblack"}
alpha = options | {"planarconfig": "contig", "extrasamples": ["unassalpha"]}
pictures = {
    "16 bits": (deep, options),
    "8 bits with alpha": (np.dstack([expected, expected]), alpha),
    "8 bits": (expected, options),
}
print(f"OpenCV {cv2.__version__}, tifffile {tifffile.__version__}")
wrong = {}
for name, (pixels, how) in pictures.items():
    for layout in ({"tile": (TILE, TILE)}, {"rowsperstrip": 16}):
        tifffile.imwrite("picture.tif", pixels, **how, **layout)
        differs = cv2.imread("picture.tif", cv2.IMREAD_GRAYSCALE) != expected
        wrong[name, *layout] = differs.mean()
        columns = np.flatnonzero(differs.any(0))
        place = f", all from column {columns[0]} on" if len(columns) else ""
        print(f"{name}, {next(iter(layout))}: {differs.mean():.1%} of pixels{place}")
sheared = {("16 bits", "tile"), ("8 bits with alpha", "tile")}
sys.exit({kind for kind, fraction in wrong.items() if fraction} != sheared)
EOF
