"""The options of how large images are divided, the same for all commands."""

import argparse
from dataclasses import fields, replace

from mmdet_flow import cli
from mmdet_flow.errors import UsageError
from mmdet_flow.tiles import Tiles

TILE_OPTIONS = ("--tile-size", "--tile-overlap", "--tile-scale", "--tile-full-image")


def add_tile_options(parser, dash: str = "-") -> None:
    """Add --tile-size and what goes with it; ``dash`` stands between the words."""
    parser.add_argument(
        f"--tile{dash}size",
        type=cli.count,
        metavar="N",
        help="divide images into tiles of N x N pixels; 0 keeps them whole (default: "
        "what a package says, or 0)",
    )
    add_tile_details(parser, dash)


def add_tile_details(parser, dash: str = "-") -> None:
    """Add what goes with the size of tiles."""
    parser.add_argument(
        f"--tile{dash}overlap",
        type=cli.finite,
        metavar="FRACTION",
        help="fraction of a tile that it shares with the next, at least; more than the "
        f"usual objects are long is best (default: {Tiles.overlap:g})",
    )
    parser.add_argument(
        f"--tile{dash}scale",
        type=cli.finite,
        metavar="FACTOR",
        help="enlarge images by this factor, or reduce them if it is below 1 "
        f"(default: {Tiles.scale:g})",
    )
    parser.add_argument(
        f"--tile{dash}full{dash}image",
        action="store_true",
        default=None,
        help="the whole image is one more tile, for objects larger than a tile",
    )


def details_of(options: argparse.Namespace) -> dict:
    """Return what ``add_tile_details`` asked for, by the names of ``Tiles``."""
    names = (field.name for field in fields(Tiles) if field.name != "size")
    given = {name: getattr(options, f"tile_{name}") for name in names}
    return {name: value for name, value in given.items() if value is not None}


def tiles_of(options: argparse.Namespace, default: Tiles | None = None) -> Tiles | None:
    """Return what ``add_tile_options`` asked for, or None where images stay whole.

    What no option says is as in ``default``. Raises UsageError for options that do not
    go together.
    """
    details, size = details_of(options), options.tile_size
    if default is not None and size != 0:
        return replace(default, **details, **({"size": size} if size else {}))
    if not size and details:
        name = next(iter(details)).replace("_", " ")
        raise UsageError(f"the tile {name} goes with a tile size; give that, too")
    return Tiles(size, **details) if size else None
