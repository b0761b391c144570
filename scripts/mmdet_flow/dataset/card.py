"""The card of a data set: what is in it, and what the network will see of it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.object_checks import is_below_a_pixel
from mmdet_flow.figures import new_figure, save_figure
from mmdet_flow.files import keep_inputs, write_if_changed, write_json
from mmdet_flow.fonts import drawable
from mmdet_flow.images import read_image
from mmdet_flow.pages.render import render
from mmdet_flow.tiles import Tiles
from mmdet_flow.words import counted

GRID = 16
"""Rows and columns of the heat map of positions."""

PERCENTILES = (0, 5, 25, 50, 75, 95, 100)
SAMPLES = 12
COLUMNS = 4
PICTURES = (layout.DATA_CARD_PLOTS, layout.SAMPLES)
FILES = tuple(
    place.name for place in (layout.DATA_CARD, layout.DATA_CARD_PAGE, *PICTURES)
)
"""What a card consists of."""


def make_card(
    splits: dict[str, CocoFile],
    images: Path,
    image_size: int | None,
    output: Path,
    tiles: Tiles | None = None,
) -> None:
    """Write the card of a data set; ``images`` is the folder of all splits' images.

    UsageError if a file of it would be written over an image.
    """
    made = [output / name for name in FILES]
    for coco in splits.values():
        keep_inputs(made, (images / image["file_name"] for image in coco.images))
    card = describe(splits, image_size, tiles)
    write_json(output / layout.DATA_CARD.name, card)
    _plot(card, output / layout.DATA_CARD_PLOTS.name)
    _draw_samples(splits, images, output / layout.SAMPLES.name)
    write_if_changed(output / layout.DATA_CARD_PAGE.name, _page(card, output))
    if card["too_small_to_learn"]:
        cli.log.warning("%s", _warning(card))
    cli.log.info("described %s in %s", counted(card["images"], "image"), output)


def describe(
    splits: dict[str, CocoFile], image_size: int | None, tiles: Tiles | None = None
) -> dict:
    """Return counts, sizes and positions as plain values.

    Training images that a fraction leaves out (``left_out``) are not described.
    Box sizes are the square roots of their areas in pixels: as annotated, and as the
    network sees them when the longer side, of an image or of its tiles, is resized to
    ``image_size``. Objects with a side below a pixel then are listed: training leaves
    them out.
    """
    sizes: Counter[str] = Counter()
    per_image: Counter[int] = Counter()
    annotated, seen = [], []
    heat = np.zeros((GRID, GRID), int)
    for coco in splits.values():
        objects = coco.objects_by_image()
        for image in coco.images:
            width, height = image["width"], image["height"]
            sizes[f"{width}x{height}"] += 1
            per_image[len(objects[image["id"]])] += 1
            for item in objects[image["id"]]:
                x, y, w, h = item["bbox"]
                side = max(0.0, w * h) ** 0.5
                annotated.append(side)
                seen.append(side * (image_size or 0) / max(_seen_at_once(image, tiles)))
                row = int(np.clip((y + h / 2) / height * GRID, 0, GRID - 1))
                column = int(np.clip((x + w / 2) / width * GRID, 0, GRID - 1))
                heat[row, column] += 1
    left_out = sum(len(coco.left_out) for coco in splits.values())
    return {
        "images": sum(sizes.values()),
        "splits": {name: _counts(coco) for name, coco in splits.items()},
        **({"left_out": left_out} if left_out else {}),
        "image_sizes": dict(sizes.most_common()),
        "objects_per_image": {str(n): per_image[n] for n in sorted(per_image)},
        "box_sizes": _percentiles(annotated),
        "box_sizes_seen": _percentiles(seen) if image_size else None,
        "image_size": image_size,
        "tiles": tiles and asdict(tiles),
        "too_small_to_learn": _too_small(splits, image_size, tiles),
        "positions": heat.tolist(),
    }


def _seen_at_once(image: dict, tiles: Tiles | None) -> tuple[int, int]:
    """Return the (width, height) that the network sees: of an image, or a tile."""
    size = image["width"], image["height"]
    return (min(size[0], tiles.side), min(size[1], tiles.side)) if tiles else size


def _too_small(
    splits: dict[str, CocoFile], image_size: int | None, tiles: Tiles | None
) -> list[dict]:
    """Return each object of which training sees less than a pixel."""
    found: list[dict] = []
    if image_size is None:
        return found
    for name, coco in splits.items():
        classes = {item["id"]: item["name"] for item in coco.categories}
        objects = coco.objects_by_image()
        for image in coco.images:
            size = _seen_at_once(image, tiles)
            found += [
                {
                    "split": name,
                    "image": image["file_name"],
                    "class": classes[item["category_id"]],
                    "box": item["bbox"],
                }
                for item in objects[image["id"]]
                if is_below_a_pixel(item["bbox"], size, image_size)
            ]
    return found


def _warning(card: dict) -> str:
    """Return what follows from objects that are too small, and an example."""
    found = card["too_small_to_learn"]
    total = sum(split["objects"] for split in card["splits"].values())
    first = found[0]
    x, y, width, height = first["box"]
    return (
        f"{len(found)} of {counted(total, 'object')} with a side below a pixel at "
        f"image_size {card['image_size']}, such as {first['class']}, "
        f"{width:g}x{height:g} at {x:g},{y:g} of {first['image']}: training leaves "
        "them out; choose a larger image_size, or "
        f"{'smaller ' if card['tiles'] else ''}tiles (docs/tiles.md)"
    )


def _counts(coco: CocoFile) -> dict:
    by_class = Counter(item["category_id"] for item in coco.annotations)
    return {
        "images": len(coco.images),
        "objects": len(coco.annotations),
        "objects_by_class": {
            item["name"]: by_class[item["id"]] for item in coco.categories
        },
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    found = np.percentile(values or [0.0], PERCENTILES)
    return {
        f"{percent}%": round(float(value), 1)
        for percent, value in zip(PERCENTILES, found, strict=True)
    }


def _plot(card: dict, path: Path) -> None:
    figure = new_figure(11, 7)
    (classes, numbers), (boxes, positions) = figure.subplots(2, 2)
    bottom: np.ndarray | int = 0
    for name, split in card["splits"].items():
        counts = np.array(list(split["objects_by_class"].values()))
        places = range(len(counts))
        classes.bar(places, counts, bottom=bottom, label=name)
        bottom = bottom + counts
    classes.set_xticks(
        places, list(map(drawable, split["objects_by_class"])), parse_math=False
    )
    classes.set_title("objects of each class")
    classes.tick_params("x", rotation=30)
    classes.margins(y=0.3)
    classes.legend(ncols=3)
    per_image = {int(n): count for n, count in card["objects_per_image"].items()}
    numbers.bar(list(per_image), list(per_image.values()))
    numbers.set_title("images with so many objects")
    small = len(card["too_small_to_learn"])
    seen = f"as seen, {small} below a pixel" if small else "as seen"
    for key, label in (("box_sizes", "as annotated"), ("box_sizes_seen", seen)):
        if card[key]:
            boxes.plot(list(card[key]), list(card[key].values()), "o-", label=label)
    boxes.set_title("percentiles of the box sizes, √area in pixels")
    boxes.set_ylim(bottom=0)
    boxes.legend()
    positions.imshow(card["positions"], cmap="viridis", aspect="auto")
    positions.set_title("where the centres of the boxes are")
    positions.set_axis_off()
    save_figure(figure, path)


def _draw_samples(splits: dict[str, CocoFile], images: Path, path: Path) -> None:
    """Draw the annotations of images that are evenly spread over the splits."""
    entries = [
        (name, coco, image) for name, coco in splits.items() for image in coco.images
    ]
    picks = np.unique(np.linspace(0, len(entries) - 1, SAMPLES).astype(int))
    rows = -(-len(picks) // COLUMNS)
    figure = new_figure(12, 2.6 * rows)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, pick in zip(axes, picks, strict=False):
        name, coco, image = entries[pick]
        _draw_sample(axis, coco, image, images)
        title = drawable(f"{name}: {image['file_name']}")
        axis.set_title(title, fontsize=8, parse_math=False)
    save_figure(figure, path)


def _draw_sample(axis, coco: CocoFile, image: dict, images: Path) -> None:
    from matplotlib.patches import Polygon, Rectangle

    axis.imshow(read_image(images / image["file_name"])[1][:, :, ::-1])
    order = {item["id"]: number for number, item in enumerate(coco.categories)}
    for item in coco.annotations:
        if item["image_id"] != image["id"]:
            continue
        style = {"fill": False, "color": f"C{order[item['category_id']]}", "lw": 1}
        x, y, width, height = item["bbox"]
        outlines = item.get("segmentation") or []
        if isinstance(outlines, list) and outlines:
            for part in outlines:
                axis.add_patch(Polygon(np.reshape(part, (-1, 2)), **style))
        else:
            axis.add_patch(Rectangle((x, y), width, height, **style))


def _page(card: dict, folder: Path) -> str:
    splits = card["splits"]
    classes = list(next(iter(splits.values()))["objects_by_class"])
    rows = [
        (name, own["images"], own["objects"], *own["objects_by_class"].values())
        for name, own in splits.items()
    ]
    sizes = list(card["image_sizes"].items())[:5]
    return render(
        "card.html",
        title="Data set",
        header=("split", "images", "objects", *classes),
        rows=rows,
        left_out=card.get("left_out", 0),
        warning=_warning(card) if card["too_small_to_learn"] else "",
        sizes=", ".join(f"{size} ({count})" for size, count in sizes),
        pictures=[(one.stem, (folder / one.name).read_bytes()) for one in PICTURES],
    )
