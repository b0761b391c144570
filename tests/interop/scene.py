"""The small data set that every tool writes and reads, made by code.

It has what goes wrong in exchanges: boxes at the edges, outlines, an object of two
parts, fractions of a pixel, an image without objects, names with dots and spaces of
which one is the beginning of another, and three classes, one with a space.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("wolf", "apple tree", "bee")
COLOURS = {"wolf": (90, 90, 110), "apple tree": (40, 130, 50), "bee": (220, 180, 30)}

SIZES = {
    "meadow.jpg": (640, 480),
    "meadow.v1.jpg": (320, 240),
    "north gate.png": (400, 600),
    "field.2024.05.jpg": (500, 333),
    "nobody.jpg": (256, 256),
    "two parts.jpg": (800, 450),
}


def boxed(label: str, *bbox: float) -> dict:
    """Return an object that is a box alone."""
    return {"label": label, "bbox": list(bbox), "polygons": []}


def outlined(label: str, *polygons: tuple[float, ...]) -> dict:
    """Return an object of one outline or several, with the box around them."""
    columns = [value for polygon in polygons for value in polygon[0::2]]
    rows = [value for polygon in polygons for value in polygon[1::2]]
    left, top = min(columns), min(rows)
    bbox = [left, top, max(columns) - left, max(rows) - top]
    return {"label": label, "bbox": bbox, "polygons": [list(p) for p in polygons]}


OBJECTS = {
    "meadow.jpg": [
        boxed("wolf", 100, 50, 200, 150),
        boxed("bee", 300.3, 200.25, 40.4, 30.75),
    ],
    "meadow.v1.jpg": [
        boxed("apple tree", 0, 0, 120, 240),
        boxed("bee", 200, 40, 120, 60),
        boxed("bee", 200, 120, 40, 60),
    ],
    "north gate.png": [
        outlined("wolf", (50, 60, 150, 60, 150, 260, 100, 200, 50, 260)),
        outlined("bee", (200, 325, 230, 300, 260, 325, 230, 350)),
    ],
    "field.2024.05.jpg": [
        outlined("apple tree", (20.5, 30.25, 100.7, 40.5, 90.5, 129.7, 30.25, 120.5)),
        boxed("apple tree", 300, 33, 200, 300),
    ],
    "nobody.jpg": [],
    "two parts.jpg": [
        outlined(
            "wolf",
            (100, 100, 200, 100, 200, 300, 100, 300),
            (300, 150, 400, 150, 400, 250, 350, 200, 300, 250),
        ),
        boxed("bee", 600, 10, 9, 7),
    ],
}


def scene() -> dict:
    """Return the truth: the classes, and the images with their objects."""
    images = [
        {"name": name, "width": width, "height": height, "objects": OBJECTS[name]}
        for name, (width, height) in SIZES.items()
    ]
    return {"classes": list(CLASSES), "images": images}


def write_scene(folder: Path) -> tuple[Path, Path]:
    """Draw the images and write the truth; return the file and the folder of images."""
    images = folder / "images"
    images.mkdir(parents=True)
    truth = scene()
    for entry in truth["images"]:
        draw_image(entry).save(images / entry["name"], quality=95)
    file = folder / "truth.json"
    file.write_text(json.dumps(truth, indent=1))
    return file, images


def draw_image(entry: dict) -> Image.Image:
    """Draw an image: noise, so that no two are alike, and its objects."""
    width, height = entry["width"], entry["height"]
    noise = np.random.default_rng(width).integers(150, 200, (height, width, 3))
    image = Image.fromarray(noise.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for item in entry["objects"]:
        x, y, w, h = item["bbox"]
        for polygon in item["polygons"] or [[x, y, x + w, y, x + w, y + h, x, y + h]]:
            draw.polygon(polygon, fill=COLOURS[item["label"]])
    return image
