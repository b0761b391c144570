"""Where the labels of objects stand in a picture, so that all of them can be read."""

from collections.abc import Iterator, Sequence

Box = Sequence[float]
"""x, y, width, height."""

SHARE = 0.2
"""Of the picture, that labels cover at most."""


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[tuple], picture: Box
) -> list[tuple | None]:
    """Return the left upper corner of each label, or None where it has no room.

    ``boxes`` are those of the objects, the most important first; ``sizes`` are width
    and height of their labels. No label covers another or leaves the picture; if there
    are several, they cover a fifth of it at most. All are whole numbers if
    what is given is.
    """
    left, top, width, height = picture
    placed: list[Box] = []
    room = SHARE * width * height
    places: list[tuple | None] = []
    for box, (w, h) in zip(boxes, sizes, strict=True):
        place = None
        if w <= width and h <= height and (w * h <= room or not placed):
            for x, y in _beside(box, w, h):
                x = min(max(x, left), left + width - w)
                y = min(max(y, top), top + height - h)
                if not any(_overlap((x, y, w, h), other) for other in placed):
                    place = x, y
                    placed.append((x, y, w, h))
                    room -= w * h
                    break
        places.append(place)
    return places


def _beside(box: Box, w: float, h: float) -> Iterator[tuple]:
    """Yield the places for the label of an object, the best first."""
    x, y, width, height = box
    right, below = x + width, y + height
    yield x, y - h
    yield x, below
    yield right - w, y - h
    yield right - w, below
    yield x, y
    yield right, y
    yield x - w, y
    yield x, below - h


def _overlap(a: Box, b: Box) -> bool:
    return (
        a[0] < b[0] + b[2]
        and b[0] < a[0] + a[2]
        and a[1] < b[1] + b[3]
        and b[1] < a[1] + a[3]
    )
