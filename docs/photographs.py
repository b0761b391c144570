"""Make pictures of small parts on a workbench, with labelme files: data to try with.

    .venv/bin/python docs/photographs.py FOLDER [--images 72] [--new 12]

writes FOLDER/parts, with a JSON of outlines beside each picture, and FOLDER/new
without any. Nothing is photographed: each scene is a relief of parts in metal and
plastic that lie over each other, and is lit from one side; ground, light, focus and
noise change from picture to picture. The same numbers give the same pictures.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 600, 800
SEEN = 0.7
"""The least share of a part that the parts above it leave open."""


@dataclass(frozen=True)
class Part:
    """A part from above: its relief in pixels (0 where it is not) and its look."""

    relief: np.ndarray  # (side, side)
    colour: tuple[float, float, float]  # B, G, R from 0 to 1
    metal: bool


def circle(x, y, radius):
    """Return how far inside a circle each pixel is, in pixels."""
    return radius - np.hypot(x, y)


def hexagon(x, y, radius):
    """Return how far inside a hexagon each pixel is; the radius is to its sides."""
    turns = np.deg2rad([30, 90, 150])
    return radius - np.max([abs(x * np.cos(t) + y * np.sin(t)) for t in turns], axis=0)


def rounded(inside, height, edge):
    """Return a relief with this height, whose edge is rounded off over some pixels."""
    rise = np.clip(inside / edge, 0, 1)
    return np.where(inside > 0, height * np.sqrt(1 - (1 - rise) ** 2) + 0.5, 0)


def washer(x, y, size):
    hole = -circle(x, y, size * 0.48)
    return rounded(np.minimum(circle(x, y, size), hole), size * 0.14, 3)


def nut(x, y, size):
    bore = size * 0.55
    thread = -circle(x, y, bore) + 1.2 * np.sin(np.arctan2(y, x) * 3)
    body = np.minimum(hexagon(x, y, size), thread)
    dome = np.clip(circle(x, y, size * 1.12) / 4, 0, 1)
    return rounded(body, size * 0.6, 3) * (0.7 + 0.3 * dome)


def bolt(x, y, size):
    """It lies on its side: a head, and a shaft with a thread."""
    head = np.minimum(size * 0.95 - abs(y), size * 0.36 - abs(x + size * 1.5))
    facets = 0.8 + 0.2 * (abs(y) < size * 0.48)
    shaft = np.minimum(size * 0.5 - abs(y), size * 1.55 - abs(x - size * 0.3))
    thread = np.where(x > -size * 0.5, 1.4 * np.sin(x * 2 * np.pi / 6 + y * 0.12), 0)
    relief = rounded(head, size * 0.8, 4) * facets
    round_shaft = rounded(shaft, size * 0.5, size * 0.5)
    return np.maximum(relief, np.where(shaft > 0, round_shaft + thread, 0))


def plug(x, y, size):
    """A wall plug: a ribbed body with a slit that becomes narrow."""
    width = size * 0.5 * np.clip(1.1 - 0.16 * x / size, 0.6, 1.2)
    ribs = 1.6 * (np.sin(x * 2 * np.pi / 11) > 0.2)
    body = np.minimum(width + ribs - abs(y), size * 1.9 - abs(x))
    collar = np.minimum(size * 0.75 - abs(y), size * 0.16 - abs(x + size * 1.8))
    slit = (abs(y) < 1.6) & (x > -size * 0.6) & (x < size * 1.7)
    relief = np.maximum(rounded(body, size * 0.5, size * 0.45), rounded(collar, 9, 3))
    return np.where(slit, relief * 0.45, relief)


STEEL = [(0.60, 0.60, 0.58), (0.68, 0.66, 0.62), (0.42, 0.41, 0.40)]
BRASS = [(0.30, 0.55, 0.70)]
PLASTIC = [(0.12, 0.12, 0.75), (0.62, 0.62, 0.60), (0.15, 0.55, 0.85), (0.5, 0.25, 0.1)]
PARTS = {
    # name: its relief, its sizes in pixels, its colours, whether it is metal
    "bolt": (bolt, (22, 32), STEEL, True),
    "nut": (nut, (22, 34), STEEL + BRASS, True),
    "washer": (washer, (24, 42), STEEL + BRASS, True),
    "plug": (plug, (20, 29), PLASTIC, False),
}


def make_part(name: str, scale: float, random: np.random.Generator) -> Part:
    """Return a part of this kind, turned by any angle."""
    shape, sizes, colours, metal = PARTS[name]
    size = random.uniform(*sizes) * scale
    reach = int(size * 2.3)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    turn = random.uniform(0, 2 * np.pi)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    colour = np.array(colours[random.integers(len(colours))])
    return Part(shape(x, y, size), tuple(colour * random.uniform(0.85, 1.1)), metal)


def noise(random: np.random.Generator, *cells: tuple[int, int]) -> np.ndarray:
    """Return a picture of smooth noise, about -1 to 1: a sum of ever finer grids."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for place, (rows, columns) in enumerate(cells):
        grid = random.normal(size=(rows, columns)).astype(np.float32)
        total += cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) / (
            place + 1
        )
    return total / len(cells)


def make_ground(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of a ground, (height, width, 3), and its relief."""
    kind = random.choice(["wood", "cloth", "concrete", "mat"])
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    if kind == "wood":
        bend = noise(random, (4, 5), (9, 8)) * 55
        rings = np.sin((y + bend) / random.uniform(5, 9)) * 0.5
        fibre = noise(random, (HEIGHT, 24), (HEIGHT // 2, 40))
        shade = 0.75 + 0.11 * rings + 0.14 * fibre
        seam = (y + random.uniform(0, 200)) % random.uniform(170, 260) < 3
        shade = np.where(seam, 0.28, shade)
        tone = np.array(random.choice([(0.30, 0.47, 0.66), (0.22, 0.33, 0.47)], axis=0))
        return shade[..., None] * tone, fibre * 0.25 - seam * 2
    if kind == "cloth":
        turn = random.uniform(0, np.pi)
        u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        weave = np.sin(u * 1.35) * np.sin(v * 1.35)
        folds = noise(random, (3, 4), (6, 7)) * 9
        tone = random.uniform(0.25, 0.6) * random.uniform(0.75, 1.1, size=3)
        return (0.85 + 0.12 * weave)[..., None] * tone, weave * 0.3 + folds
    if kind == "concrete":
        grain = noise(random, (HEIGHT, WIDTH), (HEIGHT // 3, WIDTH // 3), (12, 16))
        stains = noise(random, (4, 5), (9, 12))
        pits = smooth(noise(random, (HEIGHT // 4, WIDTH // 4)), 1) > 1.6
        shade = random.uniform(0.45, 0.6) + 0.10 * grain + 0.08 * stains - 0.2 * pits
        return shade[..., None] * np.array((0.95, 0.98, 1.0)), grain * 0.6 - pits * 3
    tone = np.array([(0.33, 0.38, 0.16), (0.35, 0.22, 0.15), (0.2, 0.2, 0.22)])
    step = random.uniform(55, 80)
    lines = (np.minimum(x % step, y % step) < 1.6) & (noise(random, (40, 50)) > -0.9)
    scuffs = noise(random, (HEIGHT // 2, 60), (30, 40)) * 0.06
    shade = (0.85 + scuffs)[..., None] * tone[random.integers(3)]
    return np.where(lines[..., None], 0.62, shade), scuffs * 4


def smooth(relief: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(relief.astype(np.float32), (0, 0), sigma)


def light(colours, relief, parts, metal, random: np.random.Generator) -> np.ndarray:
    """Return the scene in the light of a lamp at one side and of a room."""
    relief = smooth(relief, 0.8)
    down, right = np.gradient(relief)
    normal = np.dstack([-right, -down, np.ones_like(relief)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    angle, rise = random.uniform(0, 2 * np.pi), random.uniform(0.75, 1.4)
    lamp = np.array([np.cos(angle), np.sin(angle), rise])
    shadow = np.zeros_like(relief)
    for step in range(1, 26):  # what stands towards the lamp, higher than its ray
        move = np.float32([[1, 0, -lamp[0] * step], [0, 1, -lamp[1] * step]])
        above = cv2.warpAffine(
            relief, move, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
        )
        shadow = np.maximum(shadow, np.clip((above - relief - step * rise) / 3, 0, 1))
    shadow = smooth(shadow, random.uniform(0.8, 3))
    lamp /= np.linalg.norm(lamp)
    facing = np.clip(normal @ lamp, 0, 1) * (1 - 0.85 * shadow)
    open_sky = np.clip(1 - (smooth(relief, 9) - relief) / 22, 0.45, 1.1)
    warm = np.array([random.uniform(0.7, 1.05), 0.95, 1.05])
    lit = colours * (0.45 * open_sky[..., None] + 0.85 * facing[..., None] * warm)
    # Metal mirrors a room: dark below, bright bands of lamps above.
    mirrored = 2 * normal[..., 2:] * normal - np.array([0, 0, 1])
    across = mirrored[..., 0] * np.cos(angle + 1) + mirrored[..., 1] * np.sin(angle + 1)
    room = 0.35 + 0.5 * np.exp(-((across - 0.35) ** 2) / 0.03)
    room += 0.25 * np.exp(-((across + 0.5) ** 2) / 0.05) + 0.15 * mirrored[..., 2]
    half = lamp + np.array([0, 0, 1])
    glint = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1)
    glint = glint ** np.where(metal, 60, 25) * np.where(metal, 0.8, 0.2) * (1 - shadow)
    sheen = colours * (room * (1 - 0.6 * shadow))[..., None] * 1.25
    lit = np.where(metal[..., None], 0.35 * lit + 0.75 * sheen, lit)
    return lit + np.where(parts, glint, 0)[..., None] * warm


def photograph(lit: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the picture that a simple camera takes, BGR uint8."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    centre = random.uniform(-0.5, 0.5, size=2)
    fall = 1.08 - 0.22 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2)
    exposed = lit * fall[..., None] * random.uniform(0.75, 1.2)
    exposed = cv2.GaussianBlur(exposed, (0, 0), random.uniform(0.4, 1.1))
    exposed += random.normal(size=exposed.shape) * random.uniform(0.008, 0.03)
    curve = np.clip(exposed, 0, None) ** 0.85
    return (np.clip(curve / (1 + 0.12 * curve), 0, 1) * 255).astype(np.uint8)


def make_scene(
    random: np.random.Generator,
) -> tuple[np.ndarray, list[tuple[str, list]]]:
    """Return a picture, and the name and the outline of each part that can be seen."""
    colours, relief = make_ground(random)
    metal, owner = np.zeros(relief.shape, bool), np.full(relief.shape, -1)
    shapes, whole = [], []
    scale = random.uniform(0.75, 1.25)
    for _ in range(random.integers(5, 14)):
        name = str(random.choice(list(PARTS), p=[0.3, 0.25, 0.25, 0.2]))
        part = make_part(name, scale, random)
        side = len(part.relief)
        top, left = random.integers(0, (HEIGHT - side, WIDTH - side))
        place = np.s_[top : top + side, left : left + side]
        solid = part.relief > 0
        below = owner[place][solid]
        if any(
            (below == one).sum() > (1 - SEEN) * whole[one]
            or (owner == one).sum() - (below == one).sum() < SEEN * whole[one]
            for one in set(below.tolist()) - {-1}
        ):
            continue  # it would hide too much of another
        rest = relief[place][solid].max() * 0.5 if (below >= 0).any() else 0
        relief[place] = np.where(solid, part.relief + rest, relief[place])
        tint = part.colour * (1 + 0.04 * random.normal(size=(side, side, 1)))
        colours[place] = np.where(solid[..., None], tint, colours[place])
        metal[place] = np.where(solid, part.metal, metal[place])
        owner[place][solid] = len(shapes)
        shapes.append((name, outline(solid, left, top)))
        whole.append(int(solid.sum()))
    lit = light(colours, relief, owner >= 0, metal, random)
    return photograph(lit, random), shapes


def outline(solid: np.ndarray, left: int, top: int) -> list[list[float]]:
    """Return the outer outline of a part, as a person would click it."""
    # Ridges that are a pixel wide would be walked there and back, and cross themselves.
    solid = cv2.morphologyEx(solid.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    pieces, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(pieces, key=cv2.contourArea)
    corners = cv2.approxPolyDP(largest, 1.2, closed=True)[:, 0]
    return (corners + np.array([left, top])).astype(float).tolist()


def labelme(name: str, shapes: list[tuple[str, list]]) -> dict:
    """Return what labelme saves beside a picture, without the copy of the picture."""
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {
                "label": label,
                "points": points,
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for label, points in shapes
        ],
        "imagePath": name,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }


def make_pictures(folder: Path, labelled: int, new: int) -> None:
    """Write pictures with labelme files, and new ones without."""
    for number in range(labelled + new):
        picture, shapes = make_scene(np.random.default_rng(number))
        place = folder / ("parts" if number < labelled else "new")
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"IMG_{2041 + number}.jpg"
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        if number < labelled:
            text = json.dumps(labelme(path.name, shapes), indent=2)
            path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--images", type=int, default=72, help="with labelme files")
    parser.add_argument("--new", type=int, default=12, help="without")
    options = parser.parse_args()
    make_pictures(options.folder, options.images, options.new)
    print(f"made {options.images} pictures in {options.folder / 'parts'}, with labelme")
    print(f"files, and {options.new} new ones in {options.folder / 'new'}")


if __name__ == "__main__":
    main()
