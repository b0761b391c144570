"""Propose tiles where objects are too small to be seen in an image as a whole."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from mmdet_flow.dataset.annotations import AnnotatedImage
from mmdet_flow.dataset.pixels import read_outside
from mmdet_flow.dataset.tiling.plan import Cutting, divide
from mmdet_flow.start.init.plan import (
    GOOD_PIXELS,
    SIZES,
    Plan,
    allowed_sizes,
    plan_for,
)
from mmdet_flow.start.init.sizes import Look, Sizes, seen_size
from mmdet_flow.start.init.speed import Speed
from mmdet_flow.tiles import Tiles

IN_NETWORK = 640
"""The longer side of a tile that shows the smallest objects well."""

STEP, LEAST_SIDE = 32, 160
"""Sides of tiles are multiples of the first; enlarged to four times, the second is
``IN_NETWORK``, and smaller ones have no more to show."""

LEAST_OVERLAP, MOST_OVERLAP = 0.2, 0.5

SAMPLE = 50
"""Images whose tiles are counted."""


def tiles_for(sizes: Sizes) -> Tiles | None:
    """Return tiles, where the network sees too little of an image as a whole.

    That is where even the largest image size shows an object in the middle of the
    smallest class with fewer than ``GOOD_PIXELS``. An image that is no larger than that
    size is divided only if tiles are half as long at most: otherwise they gain little.

    Tiles are as large as they may be to show that object with so many pixels, since
    their number is what a prediction costs. Objects of the usual sizes fit into what
    neighbours share, or else the whole image is one more tile.
    """
    longest, largest = max(sizes.image), allowed_sizes(sizes)[-1]
    if largest * sizes.smallest >= GOOD_PIXELS:
        return None
    wanted = IN_NETWORK * sizes.pixels / GOOD_PIXELS
    side = max(LEAST_SIDE, STEP * round(wanted / STEP))
    if longest <= largest and side > longest / 2:
        return None
    fraction = sizes.largest * longest / side
    overlap = min(max(math.ceil(20 * fraction) / 20, LEAST_OVERLAP), MOST_OVERLAP)
    return Tiles(side, overlap, full_image=fraction > MOST_OVERLAP)


def kept_tiles(
    images: Sequence[AnnotatedImage], tiles: Tiles, look: Look = read_outside
) -> float:
    """Return how many tiles of an image are trained on, on average of a sample."""
    counts = []
    for one in images[:: max(1, len(images) // SAMPLE)]:
        if size := seen_size(one, look):
            image = {"file_name": one.image.name, "width": size[0], "height": size[1]}
            boxes = [
                {"bbox": item.bbox, "area": math.prod(item.bbox[2:])}
                for item in one.objects
            ]
            counts.append(len(divide(image, boxes, Cutting(tiles)).kept))
    return mean(counts or [1])


def plan_for_tiles(
    tiles: Tiles,
    kept: float,
    preset: str,
    sizes: Sizes,
    train: int,
    val: int,
    minutes: float,
    speed: Speed,
) -> Plan:
    """Choose as ``plan_for`` does, for images of which so many tiles are trained on."""
    count = len(tiles.windows(*sizes.image))
    tile = replace(
        sizes, image=(tiles.side, tiles.side), smallest=sizes.pixels / tiles.side
    )
    images = max(1, round(train * kept)), round(val * kept)
    allowed = [size for size in SIZES if size <= IN_NETWORK]
    plan = plan_for(preset, tile, *images, minutes, speed, allowed)
    return replace(plan, tiles=tiles, count=count)
