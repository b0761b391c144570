"""Draw predictions on their images, as one sheet."""

import argparse
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import keep_inputs, new_file, read_json
from mmdet_flow.formats.overlay import draw_object
from mmdet_flow.inference.images import read_image

MAX_WIDTH = 1200
"""Wider pictures are cut in a Snakemake report."""

EMPTY_HEIGHT = 100


def draw_sheet(
    opex: list[Path], images: Path, output: Path, count: int, score: float
) -> None:
    """Draw the objects of the first ``count`` OPEX files on their images.

    Without such files, where each image failed, the sheet is empty. Raises DataError
    where a folder or an image is missing, and UsageError if the name of ``output`` ends
    like that of no picture.
    """
    import cv2

    if not cv2.haveImageWriter(str(output)):
        raise UsageError(f"--output {output}: name it .jpg or .png")
    for folder in opex:
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; predict first")
    files = sorted(path for folder in opex for path in folder.glob("*.json"))[:count]
    if not files:
        cli.log.warning("%s: holds no OPEX files; the sheet is empty", opex[0])
    contents = [read_json(path) for path in files]
    keep_inputs([output], [images / str(one["id"]) for one in contents])
    labels = sorted({item["label"] for one in contents for item in one["objects"]})
    columns = min(4, len(files)) or 1
    width = MAX_WIDTH // columns
    tiles = []
    for content in contents:
        image = read_image(images / content["id"])[1]
        tiles.append(_draw(image, content["objects"], labels, score, width))
    height = max((tile.shape[0] for tile in tiles), default=EMPTY_HEIGHT)
    rows = -(-len(tiles) // columns) or 1
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    with new_file(output) as temporary:
        temporary.write_bytes(cv2.imencode(output.suffix, sheet)[1].tobytes())
    cli.log.info("drew %d images into %s", len(tiles), output)


def _draw(image, objects: list[dict], labels: list[str], score: float, width: int):
    """Return the image at a width, with outlines, class names and scores."""
    import cv2

    scale = width / image.shape[1]
    size = (width, round(image.shape[0] * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for item in objects:
        if item.get("score", 1) < score:
            continue
        text = (
            f"{item['label']} {item['score']:.2f}" if "score" in item else item["label"]
        )
        draw_object(
            image,
            np.array(item["polygon"]["points"]) * scale,
            (item["bbox"]["left"] * scale, item["bbox"]["top"] * scale),
            text,
            labels.index(item["label"]),
        )
    return image


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser(
        "mmdet_draw",
        __doc__,
        "predicted --images photos --output sheet.jpg --score 0.5",
    )
    parser.add_argument(
        "opex", nargs="+", type=Path, metavar="FOLDER", help="folders of OPEX files"
    )
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the images that were predicted",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="PICTURE",
        help="the sheet, as .jpg or .png",
    )
    parser.add_argument(
        "--count",
        type=cli.positive_int,
        default=12,
        help="of how many images (default: 12)",
    )
    parser.add_argument("--score", type=float, default=0.3, help="lowest score to draw")
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    return cli.run(
        lambda: draw_sheet(args.opex, args.images, args.output, args.count, args.score),
        args,
    )
