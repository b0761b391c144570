#!/usr/bin/env bash
# OpenCV, a TIFF with JPEG 2000 inside, as scanners of slides write it (two numbers of Aperio, one
# of others), or with JPEG XL: imread and imdecode give a picture of the right size that is black.
# For zstd, LZMA, WebP and LERC, which its libtiff cannot read either, they give None. libtiff knows
# these four by name, and OpenCV asks it beforehand; of the others it only notices at each tile that
# it cannot read it, and OpenCV takes the tile for read. So "if image is None" finds nothing, and a
# folder of slides is trained on or predicted as black. 5.0 and 4.13 write a line for each tile to
# stderr, 4.11 does not even do that.
# What helps: tifffile with imagecodecs; TiffFile(path).pages[0].compression tells which files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "opencv-python-headless==${OPENCV:-5.0.0.93}" \
  tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2> stderr.txt <<'EOF' || { tail -n 3 stderr.txt; exit 1; }
import sys

import cv2
import numpy as np
import tifffile

BLACK = "aperio_jp2000_rgb", "aperio_jp2000_ycbc", "jpeg2000", "jpegxl"
REFUSED = "zstd", "lzma", "webp", "lerc"
READ = "deflate", "lzw", "packbits"
LAYOUTS = {"tiles": {"tile": (64, 64)}, "strips": {"rowsperstrip": 16}}
picture = np.random.default_rng(0).integers(1, 256, (150, 200, 3), np.uint8)


def kind(image):
    if image is None:
        return "None"
    if image.shape != picture.shape:
        return "another size"
    return "black" if not image.any() else "right" if np.array_equal(image, picture) else "wrong"


def found(compression, layout):
    """What tifffile, imread and imdecode make of the picture (all of these lose nothing)."""
    tifffile.imwrite("picture.tif", picture, photometric="rgb", compression=compression, **layout)
    images = cv2.imread("picture.tif"), cv2.imdecode(np.fromfile("picture.tif", np.uint8), 1)
    in_rgb = [image if image is None else image[..., ::-1] for image in images]
    return [kind(image) for image in (tifffile.imread("picture.tif"), *in_rgb)]


print(f"OpenCV {cv2.__version__}, tifffile {tifffile.__version__}: tifffile, imread, imdecode")
ok = True
for expected, names in {"black": BLACK, "None": REFUSED, "right": READ}.items():
    for name in names:
        kinds = {layout: found(name, options) for layout, options in LAYOUTS.items()}
        print(f"{name}:", "; ".join(f"{layout} {', '.join(one)}" for layout, one in kinds.items()))
        ok &= all(one == ["right", expected, expected] for one in kinds.values())
sys.exit(not ok)
EOF
echo "lines on stderr: $(grep -c 'Compression scheme' stderr.txt || true)"
