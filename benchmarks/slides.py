"""Put photographs of blood cells together into slides: real pixels, known objects.

    python benchmarks/slides.py --data FOLDER --output FOLDER

The first FOLDER is the BCCD data set, with Annotations, JPEGImages and the lists in
ImageSets/Main. A slide has 24 photographs, 6 beside each other in 4 rows without gaps.
Test slides are made of the photographs of test.txt, slides to train and to validate on
of those of trainval.txt; what fills no slide is left out. Written are images/*.png,
annotations.json (COCO), and train.txt, val.txt and test.txt.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.annotations import AnnotatedImage, Source
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.image_index import ImageIndex
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.errors import DataError
from mmdet_flow.files import write_if_changed
from mmdet_flow.images import read_image

COLUMNS, ROWS = 6, 4
WIDTH, HEIGHT = 640, 480
"""Of a photograph, in pixels."""

CLASSES = ("RBC", "WBC", "Platelets")
VALIDATED = 4
"""Each so manieth slide of trainval is one to validate on."""

Photos = Sequence[AnnotatedImage]


def photographs(data: Path, split: str) -> Photos:
    """Return the photographs of a list, in its order, with their objects."""
    source = Source(data / "Annotations", data / "JPEGImages")
    read = FORMATS["voc"].read(source, ImageIndex(source.images))
    known = {one.image.stem: one for one in read if isinstance(one, AnnotatedImage)}
    path = data / "ImageSets" / "Main" / f"{split}.txt"
    names = path.read_text().split()
    if missing := [name for name in names if name not in known]:
        raise DataError(f"{path}: no annotation of {missing[0]}; give the BCCD data")
    return [known[name] for name in names]


def slides(photos: Photos) -> list[Photos]:
    """Return the photographs of each slide that they fill."""
    each = COLUMNS * ROWS
    return [photos[at : at + each] for at in range(0, len(photos) - each + 1, each)]


def corner_of(place: int) -> tuple[int, int]:
    """Return left and top of the photograph at a place, counted row by row."""
    row, column = divmod(place, COLUMNS)
    return column * WIDTH, row * HEIGHT


def picture_of(photos: Photos) -> np.ndarray:
    """Return a slide, (1920, 3840, 3) uint8 BGR."""
    slide = np.zeros((ROWS * HEIGHT, COLUMNS * WIDTH, 3), np.uint8)
    for place, one in enumerate(photos):
        left, top = corner_of(place)
        slide[top : top + HEIGHT, left : left + WIDTH] = read_image(one.image)[1]
    return slide


def objects_of(photos: Photos) -> Iterator[dict]:
    """Yield the objects of a slide as COCO has them, cut at their photographs."""
    for place, one in enumerate(photos):
        left, top = corner_of(place)
        for item in one.objects:
            x, y, width, height = item.bbox
            x, right = max(x, 0), min(x + width, WIDTH)
            y, bottom = max(y, 0), min(y + height, HEIGHT)
            if x < right and y < bottom:
                yield {
                    "bbox": [left + x, top + y, right - x, bottom - y],
                    "area": (right - x) * (bottom - y),
                    "category_id": CLASSES.index(item.label) + 1,
                    "iscrowd": 0,
                }


def named_slides(data: Path) -> Iterator[tuple[str, str, Photos]]:
    """Yield the split, the name and the photographs of each slide."""
    counts = dict.fromkeys(("train", "val", "test"), 0)
    trained = slides(photographs(data, "trainval"))
    parts = ["train" if n % VALIDATED else "val" for n in range(1, len(trained) + 1)]
    tested = slides(photographs(data, "test"))
    parts += ["test"] * len(tested)
    for part, photos in zip(parts, trained + tested, strict=True):
        counts[part] += 1
        yield part, f"{part}-{counts[part]}.png", photos


def make_slides(data: Path, output: Path) -> None:
    """Write slides, annotations and lists, and print how many there are."""
    categories = [{"id": n, "name": name} for n, name in enumerate(CLASSES, 1)]
    coco = CocoFile(output / "annotations.json", [], [], categories)
    lists: dict[str, list[str]] = {}
    size = {"width": COLUMNS * WIDTH, "height": ROWS * HEIGHT}
    for number, (part, name, photos) in enumerate(named_slides(data), 1):
        encoded = cv2.imencode(".png", picture_of(photos))[1].tobytes()
        write_if_changed(output / "images" / name, encoded)
        lists.setdefault(part, []).append(name)
        coco.images.append({"id": number, "file_name": name} | size)
        for item in objects_of(photos):
            numbers = {"id": len(coco.annotations) + 1, "image_id": number}
            coco.annotations.append(item | numbers)
    coco.write(coco.path)
    for part, names in lists.items():
        write_if_changed(output / f"{part}.txt", "\n".join(names) + "\n")
        print(f"{part}: {len(names)} slides")


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("benchmarks/slides.py", __doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(lambda one: make_slides(one.data, one.output), args)


if __name__ == "__main__":
    raise SystemExit(main())
