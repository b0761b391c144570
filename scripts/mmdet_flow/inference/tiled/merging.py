"""The objects of an image from those of its tiles: each once, and whole.

A tile shows a part of the image, and so the same object is found in several tiles,
whole or cut off at an edge of the tile that is none of the image. The rules:

1. A cut object goes if another tile of that size shows its place, and more beyond the
   edge that cuts it: what that tile shows there is taken.
2. Others are larger than what tiles share. Cut objects in two tiles are parts of one
   where they look alike in what both tiles show: there, the intersection over union of
   their boxes is at least ``ALIKE``. Where an object is cut, it is taken to go on.
   Parts become one object: the box around them all, the pixels of all, the best score.
   It is still cut at a side where the part that reaches furthest is.
3. A cut object goes if the fraction ``WITHIN`` of its area lies in a larger one whose
   score is at least half of its own: that shows more of the same. If the larger one is
   not whole either, it gets the pixels.
4. Of objects whose intersection over union is at least ``ALIKE``, the one with the best
   score stays, where the score of one that is cut or joined counts half.

All of that holds for objects of the same class and of different tiles. What one tile
shows as two objects stays two, and an image that is one tile keeps what its detector
found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmdet_flow.detections import Detections, Mask, PackedMask
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
    masks: tuple[PackedMask, ...] | None

    @property
    def is_cut(self) -> np.ndarray:
        """Which objects (n,) are cut at any side."""
        return self.cut.any(1)

    @property
    def is_whole(self) -> np.ndarray:
        """Which objects (n,) one tile shows, and does not cut."""
        return ~self.is_cut & (self.tiles != JOINED)

    def chosen(self, which: np.ndarray) -> "Objects":
        """Return some of them, by their numbers."""
        return Objects(
            self.boxes[which],
            self.scores[which],
            self.labels[which],
            self.tiles[which],
            self.cut[which],
            self.masks and tuple(self.masks[one] for one in which),
        )


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
        found: what each tile shows, in its own pixels; its masks may be packed, and
            should be where there are many tiles.
    """
    if len(windows) == 1:
        return found[0]
    objects = _in_image(width, height, windows, found)
    objects = objects.chosen(np.flatnonzero(~_shown_elsewhere(objects, windows)))
    objects = _joined(objects, np.array(windows, np.float64))
    pairs = meeting(objects.boxes, objects.labels)
    one, other = objects.tiles[pairs].T
    pairs = pairs[(one != other) | (one == JOINED)]
    objects, stays = _without_parts(objects, pairs)
    which = np.flatnonzero(_best(objects, pairs[stays[pairs].all(1)]) & stays)
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
            mask.packed().moved(window.left, window.top)
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


def _shown_elsewhere(objects: Objects, windows: Sequence[Window]) -> np.ndarray:
    """Return which objects (n,) go by the first rule.

    Tiles are a grid: one of them shows a place if a column and a row of them do.
    """
    width, height = (max(one[side] for one in windows) for side in (2, 3))
    tiles = [one for one in windows if (one.width, one.height) != (width, height)]
    shown = objects.is_cut
    for low, length in enumerate((width, height)):
        spans = np.array(sorted({(one[low], one[low + 2]) for one in tiles}))
        margin = NEAR * (spans[:, 1] - spans[:, 0])
        begins, ends = (objects.boxes[:, side, None] for side in (low, low + 2))
        after = (begins > spans[:, 0] + margin) | (spans[:, 0] == 0)
        before = (ends < spans[:, 1] - margin) | (spans[:, 1] == length)
        shown &= (after & before).any(1)
    return shown


def _joined(objects: Objects, windows: np.ndarray) -> Objects:
    """Return the objects with the parts of one as one, by the second rule."""
    parts = np.flatnonzero(objects.is_cut)
    pairs = parts[meeting(_gone_on(objects, windows)[parts], objects.labels[parts])]
    pairs = pairs[objects.tiles[pairs[:, 0]] != objects.tiles[pairs[:, 1]]]
    pairs = pairs[_look_alike(objects, windows, pairs)]
    if not len(pairs):
        return objects
    first = _first_of_group(len(objects.scores), pairs)
    members = np.unique(pairs)
    group = first[members]
    boxes, scores = objects.boxes.copy(), objects.scores.copy()
    tiles, cut = objects.tiles.copy(), objects.cut.copy()
    for side, most in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
        most.at(boxes[:, side], group, objects.boxes[members, side])
    np.maximum.at(scores, group, objects.scores[members])
    # A side is still cut if the part that reaches furthest is cut there.
    furthest = objects.boxes[members] == boxes[group]
    cut[group] = False
    np.logical_or.at(cut, group, objects.cut[members] & furthest)
    tiles[group] = JOINED
    masks = objects.masks and _joined_masks(objects.masks, first, members)
    joined = Objects(boxes, scores, objects.labels, tiles, cut, masks)
    return joined.chosen(np.flatnonzero(first == np.arange(len(first))))


def _joined_masks(
    masks: tuple[PackedMask, ...], group: np.ndarray, members: np.ndarray
) -> tuple[PackedMask, ...]:
    """Return masks; that which a group (n,) is named by gets those of its members."""
    groups: dict[int, list[PackedMask]] = {}
    for one in members.tolist():
        groups.setdefault(int(group[one]), []).append(masks[one])
    joined = list(masks)
    for one, parts in groups.items():
        joined[one] = Mask.join(parts).packed()
    return tuple(joined)


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


def _without_parts(objects: Objects, pairs: np.ndarray) -> tuple[Objects, np.ndarray]:
    """Return which objects (n,) stay by the third rule, of pairs that meet.

    And the objects with the pixels that they got of others.
    """
    areas = (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(1)
    one, other = pairs.T
    is_first = areas[one] >= areas[other]
    large, small = np.where(is_first, one, other), np.where(is_first, other, one)
    _, within, _ = _overlap(objects.boxes[small], objects.boxes[large])
    goes = objects.is_cut[small] & (within >= WITHIN)
    goes &= objects.scores[large] >= objects.scores[small] / 2
    large, small = large[goes], small[goes]
    stays = _unbeaten(areas, np.column_stack((large, small)))
    if objects.masks is None:
        return objects, stays
    gets = ~objects.is_whole[large] & stays[large] & ~stays[small]
    group = np.arange(len(stays))
    group[small[gets]] = large[gets]
    members = np.union1d(small[gets], large[gets])
    return replace(objects, masks=_joined_masks(objects.masks, group, members)), stays


def _best(objects: Objects, pairs: np.ndarray) -> np.ndarray:
    """Return which objects (n,) stay by the fourth rule, of pairs that meet."""
    union, _, _ = _overlap(objects.boxes[pairs[:, 0]], objects.boxes[pairs[:, 1]])
    counted = np.where(objects.is_whole, objects.scores, objects.scores / 2)
    return _unbeaten(counted, pairs[union >= ALIKE])


def _unbeaten(values: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return which (n,) stay if the greatest goes first and removes its partners.

    In rounds: who has no greater partner stays, and removes all that it is paired with.
    """
    rank = np.empty(len(values), np.int64)
    rank[np.argsort(-values, kind="stable")] = np.arange(len(values))
    one, other = pairs.T
    greater = np.where(rank[one] < rank[other], one, other)
    less = one + other - greater
    stays = np.ones(len(values), bool)
    while len(greater):
        waits = np.zeros(len(values), bool)
        waits[less] = True
        stays[less[~waits[greater]]] = False
        rest = stays[greater] & stays[less]
        greater, less = greater[rest], less[rest]
    return stays
