"""A small VOC data set for tests, and ways to spoil it."""

from pathlib import Path

import cv2
import numpy as np

OBJECTS = {
    "a": [("dog", 1, 1, 20, 20), ("cat", 5, 5, 30, 40)],
    "b [1]": [("cat", 10, 10, 10, 10)],
    "c": [],
}


def voc_xml(filename, *objects, folder="JPEGImages", size=(64, 48)) -> str:
    """Return a VOC annotation; each object is (name, xmin, ymin, xmax, ymax)."""
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, left, top, right, bottom in objects
    )
    return (
        f"<annotation><folder>{folder}</folder><filename>{filename}</filename>"
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
        f"{boxes}</annotation>"
    )


def make_picture(path: Path, seed: int, size=(64, 48)) -> None:
    """Write an image of blocks of random colours, unlike that of any other seed."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST))


def make_voc(root: Path, objects=None) -> Path:
    """Write images and XML files below ``root``; return it."""
    for folder in ("xml", "images"):
        (root / folder).mkdir(parents=True)
    for seed, (stem, boxes) in enumerate((objects or OBJECTS).items()):
        make_picture(root / "images" / f"{stem}.jpg", seed)
        (root / "xml" / f"{stem}.xml").write_text(voc_xml(f"{stem}.jpg", *boxes))
    return root
