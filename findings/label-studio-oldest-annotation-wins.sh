#!/usr/bin/env bash
# Label Studio (label_studio_sdk.converter), a task that was annotated more than once, by a second
# person or because someone made a new annotation to correct the first: the exports as YOLO and as
# Pascal VOC contain the oldest one. Annotations are sorted from new to old, and each is written to
# the same file, so that the oldest is written last. The correction is gone, without a message. The
# export as COCO has the image once for each annotation, with another id, the same file and other
# objects: all objects are there twice, each copy misses what only the other has, and a split by
# images puts one copy into training and the other into the test.
# What helps: leave one annotation in each task of the JSON before it is converted.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "label-studio-sdk==${LABEL_STUDIO_SDK:-2.1.2}"
cd "$folder"
"$folder/venv/bin/python" - <<'EOF'
import json
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from importlib.metadata import version

from label_studio_sdk.converter import Converter
from PIL import Image

SIDE = 100
CONFIG = """<View><Image name="image" value="$image"/><RectangleLabels name="box"
toName="image"><Label value="cell"/></RectangleLabels></View>"""
DRAWN = {"2026-01-01T10:00:00Z": [10], "2026-02-01T10:00:00Z": [20, 60]}


def annotation(number, created, lefts):
    place = {"y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["cell"]}
    region = {
        "type": "rectanglelabels",
        "from_name": "box",
        "to_name": "image",
        "original_width": SIDE,
        "original_height": SIDE,
    }
    result = [region | {"id": str(left), "value": place | {"x": left}} for left in lefts]
    return {"id": number, "created_at": created, "was_cancelled": False, "result": result}


def exported(drawn):
    """The left edges of the objects of each image, by format."""
    made = [annotation(number, *one) for number, one in enumerate(drawn.items(), 1)]
    with open("tasks.json", "w") as file:
        json.dump([{"id": 1, "data": {"image": "image.png"}, "annotations": made}], file)
    for form in ("YOLO", "VOC", "COCO"):
        Converter(CONFIG, project_dir=".", download_resources=False).convert(
            "tasks.json", form, form, is_dir=False
        )
    with open("YOLO/labels/image.txt") as file:
        boxes = [[float(value) for value in line.split()] for line in file]
    yolo = [round(SIDE * (centre - width / 2)) for _, centre, _, width, _ in boxes]
    root = ElementTree.parse("VOC/Annotations/image.xml").getroot()
    voc = [int(one.text) for one in root.iter("xmin")]
    with open("COCO/result.json") as file:
        coco = json.load(file)
    lefts = {image["id"]: [] for image in coco["images"]}
    for one in coco["annotations"]:
        lefts[one["image_id"]].append(round(one["bbox"][0]))
    files = Counter(image["file_name"].rsplit("/")[-1] for image in coco["images"])
    return yolo, voc, list(lefts.values()), dict(files)


Image.new("RGB", (SIDE, SIDE)).save("image.png")
print(f"label-studio-sdk {version('label-studio-sdk')}, left edges of the boxes of one image")
print(f"drawn: {DRAWN}")
first, last = DRAWN.values()
found = exported(DRAWN)
print("YOLO: {}\nVOC: {}\nCOCO: {}, images {}".format(*found))
alone = exported(dict([list(DRAWN.items())[-1]]))
print("with the last annotation alone: YOLO {}, VOC {}, COCO {}, images {}".format(*alone))
sys.exit(
    not (
        found == (first, first, [last, first], {"image.png": 2})
        and alone == (last, last, [last], {"image.png": 1})
    )
)
EOF
