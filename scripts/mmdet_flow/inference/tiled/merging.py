"""The objects of an image from those of its tiles: each once, and whole.

A tile shows a part of the image, and so the same object is found in several tiles,
whole or cut off at an edge of the tile that is none of the image. The rules:

1. Cut objects of the same class in two tiles are parts of one where they look alike in
   what both tiles show: there, the intersection over union of their boxes is at least
   ``ALIKE``. Where an object is cut, it is taken to go on. Parts become one object: the
   box around them all, the pixels of all, the best score.
2. Of objects that are the same, the one with the best score stays, where the score of
   a cut one counts half. Two objects of the same class and of different tiles are the
   same if the intersection over union of their boxes is at least ``ALIKE``, or if a cut
   one lies in the other with at least the fraction ``WITHIN`` of its area.

What one tile shows as two objects stays two. An image that is one tile keeps what its
detector found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdet_flow.detections import Detections, Mask
from mmdet_flow.inference.tiled.pairs import meeting
from mmdet_flow.tiles import Window

ALIKE = 0.5
WITHIN = 0.5

NEAR = 0.01
"""How near to the edge of its tile an object ends that is cut there, as a fraction of
the tile: a network does not place boxes more exactly."""

JOINED = -1
"""The tile of an object that was joined: none."""


@dataclass(frozen=True)
class Objects:
    """Objects of all tiles, in pixels of the image.

    Attributes:
        boxes: (n, 4) float64, left, top, right, bottom.
        scores, labels: (n,) float32 and int64.
        tiles: (n,) int64, the number of the tile that shows an object.
        cut: (n, 4) bool, which sides are at an edge of the tile inside the image.
        masks: n of them, or None.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    tiles: np.ndarray
    cut: np.ndarray
    masks: tuple[Mask, ...] | None

    @property
    def is_cut(self) -> np.ndarray:
        """Which objects (n,) are cut at any side."""
        return self.cut.any(1)


def merge(
    width: int,
    height: int,
    windows: Sequence[Window],
    found: Sequence[Detections],
) -> Detections:
    """Return the objects of an image from what was found in each of its tiles.

    Args:
        width, height: of the image, in pixels.
        windows: where the tiles are.
        found: what each tile shows, in its own pixels.
    """
    if len(windows) == 1:
        return found[0]
    objects = _in_image(width, height, windows, found)
    objects = _joined(objects, np.array(windows, np.float64))
    which = _best(objects)
    which = which[np.argsort(-objects.scores[which], kind="stable")]
    return Detections(
        width,
        height,
        objects.boxes[which].astype(np.float32),
        objects.scores[which],
        objects.labels[which],
        found[0].classes,
        objects.masks and tuple(objects.masks[one] for one in which),
    )


def _in_image(
    width: int, height: int, windows: Sequence[Window], found: Sequence[Detections]
) -> Objects:
    """Return what all tiles show, in pixels of the image."""
    tiles = np.repeat(np.arange(len(windows)), [len(one) for one in found])
    frames = np.array(windows, np.float64)[tiles]
    boxes = np.concatenate([one.boxes for one in found]).astype(np.float64)
    boxes += np.tile(frames[:, :2], 2)
    margin = NEAR * np.tile(frames[:, 2:] - frames[:, :2], 2)
    inside = np.column_stack((frames[:, :2] > 0, frames[:, 2:] < (width, height)))
    gaps = np.abs(boxes - frames)
    masks = None
    if found[0].masks is not None:
        masks = tuple(
            mask.moved(window.left, window.top)
            for window, one in zip(windows, found, strict=True)
            for mask in one.masks
        )
    return Objects(
        boxes,
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.labels for one in found]),
        tiles,
        inside & (gaps <= margin),
        masks,
    )


def _joined(objects: Objects, windows: np.ndarray) -> Objects:
    """Return the objects with the parts of one as one, by the first rule."""
    cut = np.flatnonzero(objects.is_cut)
    pairs = cut[meeting(_gone_on(objects, windows)[cut], objects.labels[cut])]
    pairs = pairs[objects.tiles[pairs[:, 0]] != objects.tiles[pairs[:, 1]]]
    pairs = pairs[_look_alike(objects, windows, pairs)]
    if not len(pairs):
        return objects
    first = _first_of_group(len(objects.scores), pairs)
    members = np.unique(pairs)
    kept = np.flatnonzero(first == np.arange(len(first)))
    boxes, scores, tiles = (
        objects.boxes.copy(),
        objects.scores.copy(),
        objects.tiles.copy(),
    )
    for side, most in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
        most.at(boxes[:, side], first[members], objects.boxes[members, side])
    np.maximum.at(scores, first[members], objects.scores[members])
    tiles[first[members]] = JOINED
    masks = objects.masks
    if masks is not None:
        masks = _joined_masks(masks, first, members)
    return Objects(
        boxes[kept],
        scores[kept],
        objects.labels[kept],
        tiles[kept],
        objects.cut[kept],
        masks and tuple(masks[one] for one in kept),
    )


def _joined_masks(
    masks: tuple[Mask, ...], first: np.ndarray, members: np.ndarray
) -> list[Mask]:
    """Return masks, with that of the first of each group being those of all."""
    groups: dict[int, list[Mask]] = {}
    for one in members.tolist():
        groups.setdefault(int(first[one]), []).append(masks[one])
    joined = list(masks)
    for one, parts in groups.items():
        joined[one] = Mask.join(parts)
    return joined


def _gone_on(objects: Objects, windows: np.ndarray) -> np.ndarray:
    """Return boxes that go on over the edges that cut them, so that they meet."""
    frames = windows[objects.tiles]
    beyond = 2 * NEAR * (frames[:, 2:] - frames[:, :2])
    signed = np.column_stack((-beyond, beyond))
    return objects.boxes + np.where(objects.cut, signed, 0)


def _look_alike(objects: Objects, windows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return which pairs (m,) look alike in what both of their tiles show."""
    one, other = pairs.T
    gone_on = _gone_on(objects, windows)
    frames = windows[objects.tiles]
    reach = NEAR * (frames[one, 2:] - frames[one, :2])
    low = np.maximum(frames[one, :2], frames[other, :2]) - reach
    high = np.minimum(frames[one, 2:], frames[other, 2:]) + reach
    shown = []
    for which in (one, other):
        box = gone_on[which].copy()
        # Beyond an edge that cuts it, an object is taken to fill what both show.
        box[:, :2] = np.clip(box[:, :2], low, high)
        box[:, 2:] = np.clip(box[:, 2:], low, high)
        shown.append(box)
    return _overlap(*shown)[0] >= ALIKE


def _overlap(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return, of pairs of boxes (m, 4), the intersection over union, and over each."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.maximum(sides, 0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (one, other)]
    with np.errstate(invalid="ignore", divide="ignore"):
        fractions = (shared / whole for whole in (sum(areas) - shared, *areas))
        return tuple(np.nan_to_num(one, posinf=0) for one in fractions)


def _first_of_group(count: int, pairs: np.ndarray) -> np.ndarray:
    """Return the lowest number (count,) that pairs connect each number with."""
    first = np.arange(count)
    while True:
        before = first.copy()
        lowest = first[pairs].min(1)
        np.minimum.at(first, pairs[:, 0], lowest)
        np.minimum.at(first, pairs[:, 1], lowest)
        first = first[first]
        if (first == before).all():
            return first


def _best(objects: Objects) -> np.ndarray:
    """Return the numbers of the objects that stay by the second rule."""
    is_cut = objects.is_cut
    pairs = meeting(objects.boxes, objects.labels)
    tiles = objects.tiles[pairs]
    pairs = pairs[(tiles[:, 0] != tiles[:, 1]) | (tiles[:, 0] == JOINED)]
    one, other = pairs.T
    union, of_one, of_other = _overlap(objects.boxes[one], objects.boxes[other])
    same = union >= ALIKE
    same |= is_cut[one] & (of_one >= WITHIN)
    same |= is_cut[other] & (of_other >= WITHIN)
    counted = np.where(is_cut, objects.scores / 2, objects.scores)
    return _without_beaten(counted, pairs[same])


def _without_beaten(scores: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return which stay if the best goes first and removes what it is paired with.

    In rounds: who is paired with nobody better stays, and beats those it is paired
    with.
    """
    rank = np.empty(len(scores), np.int64)
    rank[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    better = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], *pairs.T)
    worse = pairs.sum(1) - better
    beaten = np.zeros(len(scores), bool)
    while len(better):
        waits = np.zeros(len(scores), bool)
        waits[worse] = True
        beaten[worse[~waits[better]]] = True
        rest = ~beaten[better] & ~beaten[worse]
        better, worse = better[rest], worse[rest]
    return np.flatnonzero(~beaten)
