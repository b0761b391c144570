#!/usr/bin/env bash
# GEOS (shapely's buffer) of a line that returns along itself for a stretch, as outlines of
# masks do where a part is one pixel wide: with the joins "mitre" and "bevel" the buffer leaves
# out a quarter of the line, without an error, and its result is a valid polygon. With the join
# "round" the whole line is inside. The same in GEOS 3.11, 3.13 and 3.14.
# What helps: the join "round"; or the union of the buffers of its segments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "shapely==${SHAPELY:-2.2.0}" numpy==2.4.6
"$folder/venv/bin/python" - <<'EOF'
import sys

import shapely
from shapely.geometry import LineString

print(f"shapely {shapely.__version__}, GEOS {shapely.geos_version_string}")
WIDTH = 0.5
lost = {"round": 0.0, "mitre": 0.0, "bevel": 0.0}
for height in (6, 8, 11):
    corners = [(1, 0), (1, 2), (0, 3), (0, height), (1, height), (1, 0)]
    line = LineString(corners)
    pieces = [
        LineString(ends).buffer(WIDTH, cap_style="square")
        for ends in zip(corners, corners[1:])
    ]
    whole = line.difference(shapely.union_all(pieces)).length
    for join in lost:
        area = line.buffer(WIDTH, join_style=join)
        outside = line.difference(area).length
        lost[join] = max(lost[join], outside)
        print(
            f"line of {line.length:.1f}, {join}: area {area.area:.2f}, valid "
            f"{area.is_valid}, {outside:.2f} of the line outside (by segments {whole:.2f})"
        )
sys.exit(lost["round"] > 0 or min(lost["mitre"], lost["bevel"]) < 3)
EOF
