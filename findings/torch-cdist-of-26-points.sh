#!/usr/bin/env bash
# torch.cdist, Euclidean distances of points: with 25 points on each side they are right, with 26 on
# one side they are not. From there on it computes |a|^2 + |b|^2 - 2ab by a matrix product, and in
# float32 that leaves nothing of a small distance between large numbers. On a picture of 4,000
# pixels the distances are off by a pixel, on a slide of 100,000 by tens, so that neighbours get 0
# and a point has a distance to itself. What matches detections and objects by their centres, or
# joins tracks or tiles, is right in each small test, and matches wrongly after.
# The documentation names the limit of 25 for the sake of speed, and no loss.
# What helps: compute_mode="donot_use_mm_for_euclid_dist"; or float64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "torch==${TORCH:-2.13.0}" numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import torch

NOISE, APART = 2.0, 12.0


def errors(size, count, **options):
    """Return the largest error in pixels, and how many detections are nearest to a wrong object."""
    generator = torch.Generator().manual_seed(count)
    pairs = torch.rand(count - count // 2, 2, generator=generator) * size
    objects = torch.cat([pairs, pairs + APART])[:count]
    found = objects + torch.randn(count, 2, generator=generator) * NOISE
    exact = torch.cdist(found.double(), objects.double())
    distances = torch.cdist(found, objects, **options)
    nearest = (distances.argmin(1) != exact.argmin(1)).sum()
    return float((distances - exact).abs().max()), int(nearest)


print(f"torch {torch.__version__}: detections, {NOISE} pixels off, of objects in pairs")
plain = "donot_use_mm_for_euclid_dist"
largest = {}
for size in (4_000, 20_000, 100_000):
    ways = {
        "25 points": errors(size, 25),
        "26 points": errors(size, 26),
        "1000 points": errors(size, 1000),
        f"1000 points, {plain}": errors(size, 1000, compute_mode=plain),
    }
    for name, (error, nearest) in ways.items():
        print(f"{size} pixels, {name}: up to {error:.3f} off, nearest object wrong for {nearest}")
    largest[size] = [error for error, _ in ways.values()]
wrong, helped = ways["1000 points"][1], ways[f"1000 points, {plain}"][1]
right = all(max(one[0], one[3]) < 0.05 for one in largest.values()) and helped == 0
sys.exit(not (right and wrong > 100 and all(min(one[1:3]) > 0.3 for one in largest.values())))
EOF
