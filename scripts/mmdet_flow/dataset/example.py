"""The embedded example: pictures of leaves, pebbles and shells on the ground.

Each object has a texture, a random scale, colour, rotation and outline. The annotation
is the outline of what is visible.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.files import new_file, write_if_changed

CLASSES = ("leaf", "pebble", "shell")
WIDTH, HEIGHT = 336, 224
MIN_VISIBLE = 0.6
"""Smallest part of an object that later objects may leave visible."""


@dataclass(frozen=True)
class Sprite:
    """One drawn object.

    Attributes:
        mask: (height, width) bool, the picture's pixels that it covers.
        window: the rows and columns of the picture around it.
        colours: (rows, columns, 3) BGR in that window.
    """

    label: str
    mask: np.ndarray
    window: tuple[slice, slice]
    colours: np.ndarray


def make_example(output: Path, images: int, seed: int) -> None:
    """Write ``images`` pictures and their OPEX annotations into a folder."""
    import cv2
    import orjson

    cv2.setNumThreads(1)
    for index in range(images):
        rng = np.random.default_rng([seed, index])
        picture, objects = draw_scene(rng)
        stem = f"ground-{index:03d}"
        with new_file(output / f"{stem}.jpg") as temporary:
            encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
            temporary.write_bytes(encoded.tobytes())
        annotation = {"id": f"{stem}.jpg", "objects": objects}
        write_if_changed(
            output / f"{stem}.json",
            orjson.dumps(annotation, option=orjson.OPT_INDENT_2) + b"\n",
        )
    cli.log.info("made %d images of %s in %s", images, ", ".join(CLASSES), output)


def draw_scene(
    rng: np.random.Generator, tries: int | None = None
) -> tuple[np.ndarray, list[dict]]:
    """Draw one picture (h, w, 3) uint8 BGR and its objects as OPEX dictionaries.

    ``tries`` says how many objects are drawn at most, 3 to 7 if it is left out: those
    that would hide too much of others are not.
    """
    import cv2

    picture = _background(rng)
    visible: list[tuple[str, np.ndarray, int]] = []
    for _ in range(int(rng.integers(3, 8)) if tries is None else tries):
        sprite = _sprite(rng, CLASSES[rng.integers(len(CLASSES))])
        remaining = [mask & ~sprite.mask for _, mask, _ in visible]
        if not _is_one_piece(sprite.mask) or not all(
            _is_one_piece(mask) and mask.sum() >= MIN_VISIBLE * full
            for mask, (_, _, full) in zip(remaining, visible, strict=True)
        ):
            continue
        visible = [
            (label, mask, full)
            for mask, (label, _, full) in zip(remaining, visible, strict=True)
        ]
        visible.append((sprite.label, sprite.mask, int(sprite.mask.sum())))
        picture = _paint(picture, sprite)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 0.9)))
    noise = rng.standard_normal(picture.shape, np.float32)
    picture += noise * np.float32(rng.uniform(2, 8))
    picture *= np.float32(rng.uniform(0.75, 1.15))
    objects = [_opex_object(label, mask) for label, mask, _ in visible]
    return np.clip(picture, 0, 255).astype(np.uint8), objects


def _sprite(rng: np.random.Generator, label: str) -> Sprite:
    """Draw one object at a random place, wholly inside the picture."""
    import cv2

    size = float(rng.uniform(28, 62))
    shape, texture = {"leaf": _leaf, "pebble": _pebble, "shell": _shell}[label](rng)
    angle = rng.uniform(0, 2 * math.pi)
    rotation = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    centre = np.array(
        [
            rng.uniform(size + 2, WIDTH - size - 2),
            rng.uniform(size + 2, HEIGHT - size - 2),
        ]
    )
    outline = np.rint(shape @ rotation.T * size + centre).astype(np.int32)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [outline], 1)
    (left, top), (right, bottom) = outline.min(0), outline.max(0) + 1
    window = slice(top, bottom), slice(left, right)
    # The texture is a function of the object's own coordinates, so it turns with it.
    rows, columns = np.mgrid[window]
    local = (np.dstack([columns, rows]) - centre) @ rotation / size
    colours = texture(local[..., 0], local[..., 1])
    return Sprite(label, mask.astype(bool), window, colours)


def _leaf(rng: np.random.Generator):
    """A pointed lens with a midrib and side veins."""
    along = np.linspace(0, math.pi, 24)
    width = rng.uniform(0.28, 0.45)
    upper = np.column_stack([-np.cos(along), width * np.sin(along) ** 1.3])
    lower = np.column_stack([np.cos(along), -width * np.sin(along) ** 1.3])
    colour = _colour(rng, ((30, 110, 60), (40, 150, 190), (30, 80, 150)))
    veins = rng.uniform(5, 8)

    def texture(x, y):
        midrib = np.exp(-((y / 0.035) ** 2))
        side = np.maximum(0, np.sin((x - 1.2 * np.abs(y)) * veins * math.pi)) ** 6
        return colour * (1 + 0.7 * midrib - 0.3 * side)[..., None]

    return np.vstack([upper, lower]), texture


def _pebble(rng: np.random.Generator):
    """A smooth irregular blob, speckled and lit from one side."""
    turn = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    radius = 0.85 + sum(
        rng.uniform(-0.07, 0.07) * np.cos(k * turn + rng.uniform(0, 6))
        for k in (1, 2, 3)
    )
    flat = rng.uniform(0.6, 0.95)
    colour = _colour(rng, ((150, 150, 150), (110, 125, 150), (90, 90, 100)))
    light = rng.uniform(-0.25, 0.25)

    def texture(x, y):
        roundness = 1.15 - 0.5 * (x**2 + (y / flat) ** 2)
        speckle = rng.normal(0, 0.16, x.shape)
        return colour * (roundness + light * x + speckle)[..., None]

    points = np.column_stack([radius * np.cos(turn), flat * radius * np.sin(turn)])
    return np.clip(points, -1, 1), texture


def _shell(rng: np.random.Generator):
    """A fan with radial ribs and a scalloped rim."""
    ribs = int(rng.integers(7, 11))
    spread = rng.uniform(0.85, 1.15)
    turn = np.linspace(-spread, spread, 60)
    rim = 1.5 + 0.05 * np.abs(np.cos(turn * ribs / spread))
    fan = np.column_stack([rim * np.cos(turn) - 0.75, rim * np.sin(turn) * 0.8])
    hinge = np.array([[-0.75, 0.14], [-0.75, -0.14]])
    colour = _colour(rng, ((200, 215, 235), (140, 160, 225), (90, 120, 170)))

    def texture(x, y):
        direction = np.arctan2(y / 0.8, x + 0.75)
        distance = np.hypot(y / 0.8, x + 0.75)
        rib = 0.22 * np.cos(direction * ribs * 2 / spread * math.pi / 2)
        ring = 0.08 * np.sin(distance * 16)
        return colour * (0.85 + rib + ring)[..., None]

    return np.clip(np.vstack([fan, hinge]), -1, 1), texture


def _colour(rng: np.random.Generator, palette) -> np.ndarray:
    return np.array(palette[rng.integers(len(palette))]) + rng.uniform(-25, 25, 3)


def _background(rng: np.random.Generator) -> np.ndarray:
    """Sand, soil, planks or cloth: noise of several scales, with stripes or without."""
    import cv2

    base = _colour(
        rng, ((130, 175, 205), (55, 75, 100), (80, 125, 165), (140, 120, 100))
    )
    field = np.zeros((HEIGHT, WIDTH), np.float32)
    for cells in (4, 12, 40, 120):
        noise = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        field += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * 7
    if rng.random() < 0.5:
        rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
        angle, period = rng.uniform(0, math.pi), rng.uniform(6, 40)
        across = columns * math.cos(angle) + rows * math.sin(angle)
        field += rng.uniform(4, 14) * np.sin(across * 2 * math.pi / period)
    return np.clip(base.astype(np.float32) + field[..., None], 0, 255)


def _paint(picture: np.ndarray, sprite: Sprite) -> np.ndarray:
    """Return the picture with the object on it and a soft shadow below it."""
    import cv2

    shadow = cv2.GaussianBlur(sprite.mask.astype(np.float32), (0, 0), 4)
    shadow = np.roll(shadow, (3, 3), (0, 1))
    painted = picture * (1 - np.float32(0.35) * shadow[..., None])
    mask = sprite.mask[sprite.window]
    painted[sprite.window][mask] = np.clip(sprite.colours[mask], 0, 255)
    return painted


def _is_one_piece(mask: np.ndarray) -> bool:
    """Whether one outline, which never touches itself, describes a mask."""
    import cv2
    from shapely import Polygon

    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
    )
    return (
        len(contours) == 1
        and len(contours[0]) > 3
        and Polygon(contours[0][:, 0, :]).is_valid
    )


def _opex_object(label: str, mask: np.ndarray) -> dict:
    import cv2

    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    points = contours[0][:, 0, :]
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return {
        "label": label,
        "bbox": {"left": left, "top": top, "right": right, "bottom": bottom},
        "polygon": {"points": points.tolist()},
    }
