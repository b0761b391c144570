"""Cut the images of COCO files into tiles, each with the objects that it shows."""

import filecmp
import os
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mmdet_flow import cli, layout
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.hashes import hash_images, write_hashes
from mmdet_flow.dataset.tiling.account import (
    findings_of,
    report_of,
    settings_of,
    table_of,
    tell,
)
from mmdet_flow.dataset.tiling.parts import as_written
from mmdet_flow.dataset.tiling.plan import (
    CUT,
    NAME,
    Cutting,
    Divided,
    Tile,
    divide,
    is_learned,
)
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import (
    keep_apart,
    keep_inputs,
    link_or_copy,
    only_writer,
    read_json,
    scratch_folder,
    write_if_changed,
    write_json,
)
from mmdet_flow.images import read_image

if TYPE_CHECKING:
    import numpy as np

IMAGES = layout.TILE_IMAGES.name
BESIDE = tuple(
    place.name
    for place in (layout.TILE_PIXELS, layout.TILE_REPORT, layout.TILE_FINDINGS)
)
"""What is made of all splits together, beside the images."""

MARK = "tiles"
"""The key of ``info`` by which a COCO file says that this command wrote it."""


def cut(
    paths: Sequence[Path], images: Path, output: Path, cutting: Cutting, threads: int
) -> None:
    """Write the tiles of the images of COCO files, and a COCO file for each of these.

    Images are cut once, whichever files they are in. What is written before the end is
    found again by the next run: pixels come first, then all other files at once, then
    tiles of earlier runs go.

    Raises UsageError for an output that overlaps with what is read, DataError for files
    that are not of one data set, images that cannot be read, and a folder of others.
    """
    keep_apart(output, images)
    made = dict.fromkeys((*(f"{path.stem}.json" for path in paths), *BESIDE))
    keep_inputs([output / name for name in made], paths)
    cocos = _read(paths)
    divided = _divide(cocos, cutting)
    splits = {
        name: [divided[image["file_name"]] for image in coco.images]
        for name, coco in cocos.items()
    }
    _require_tiles(splits, cocos)
    report = report_of(splits, cutting)
    classes = {one["id"]: one["name"] for one in next(iter(cocos.values())).categories}
    findings = list(findings_of(splits, classes, cutting))
    with only_writer(output):
        earlier = _earlier_files(output, cocos)
        _write_images(list(divided.values()), images, output / IMAGES, threads)
        with scratch_folder(output / ".mmdet_tile.part") as made:
            for name, coco in _tiled(cocos, divided, cutting).items():
                coco.write(made / f"{name}.json")
            names = [tile.name for one in divided.values() for tile in one.kept]
            hashes = hash_images(sorted(names), output / IMAGES, threads)
            write_hashes(hashes, made / layout.TILE_PIXELS.name)
            write_if_changed(made / layout.TILE_FINDINGS.name, table_of(findings))
            write_json(made / layout.TILE_REPORT.name, report)
            _publish(made, output, earlier)
        _remove_others(output / IMAGES, set(names))
    tell(report, findings)


def _read(paths: Sequence[Path]) -> dict[str, CocoFile]:
    """Return the COCO files by the names of their splits."""
    cocos: dict[str, CocoFile] = {}
    for path in paths:
        if path.stem in cocos or f"{path.stem}.json" in BESIDE:
            raise UsageError(f"{path}: its name is taken; give train.json and the like")
        cocos[path.stem] = coco = CocoFile.read(path)
        first = next(iter(cocos.values()))
        if coco.categories != first.categories:
            raise DataError(
                f"{path}: has other classes than {first.path}; give the splits of one "
                "data set"
            )
        for image in coco.images:
            if PurePosixPath(name := image["file_name"]).name != name:
                raise DataError(
                    f"{path}: image {name} is in a folder; let mmdet-flow data convert "
                    "write the file"
                )
    return cocos


def _divide(cocos: Mapping[str, CocoFile], cutting: Cutting) -> dict[str, Divided]:
    """Return all images, divided, by name; DataError if two files differ in one."""
    known: dict[str, tuple] = {}
    for coco in cocos.values():
        objects = coco.objects_by_image()
        for image in coco.images:
            found = image, objects[image["id"]], coco.path
            first = known.setdefault(image["file_name"], found)
            if first[:2] != found[:2]:
                raise DataError(
                    f"{coco.path}: image {image['file_name']} is another one than in "
                    f"{first[2]}; give the splits of one data set"
                )
    return {name: divide(*known[name][:2], cutting) for name in sorted(known)}


def _require_tiles(
    splits: Mapping[str, Sequence[Divided]], cocos: Mapping[str, CocoFile]
) -> None:
    for name, images in splits.items():
        if not any(one.kept for one in images):
            raise DataError(
                f"{cocos[name].path}: none of the tiles of its {len(images)} images is "
                "kept, since no object can be learned in any; choose other splits, or "
                "raise tiles.empty"
            )


def _earlier_files(output: Path, cocos: Mapping[str, CocoFile]) -> list[Path]:
    """Return what an earlier run wrote; DataError where others have their files."""
    own = [path for path in output.glob("*.json") if _is_own(path)]
    beside = [output / name for name in BESIDE]
    wanted = [output / f"{name}.json" for name in cocos]
    wanted = [path for path in wanted if path not in own] + ([] if own else beside)
    strange = [path for path in wanted if os.path.lexists(path)]
    tiles = (output / IMAGES).glob("[!.]*")
    strange += [path for path in tiles if not NAME.fullmatch(path.name)]
    if strange:
        raise DataError(
            f"{strange[0]}: was not made by mmdet-flow data tile; choose another "
            "folder, or take it away"
        )
    return own + beside


def _is_own(path: Path) -> bool:
    """Whether a file is a COCO file of tiles."""
    try:
        content = read_json(path)
    except DataError:
        return False
    info = content.get("info") if isinstance(content, dict) else None
    return isinstance(info, dict) and MARK in info


def _write_images(
    divided: Sequence[Divided], images: Path, folder: Path, threads: int
) -> None:
    """Write the tiles that are kept; each image is read once, a thread has one."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in divided if one.kept]
    with ThreadPoolExecutor(threads) as pool:
        written = pool.map(partial(_write_tiles, images=images, folder=folder), chosen)
        for _ in cli.progress(written, len(chosen), "images cut"):
            pass


def _write_tiles(one: Divided, images: Path, folder: Path) -> None:
    path = images / one.image["file_name"]
    _, pixels = read_image(path)
    size = one.image["width"], one.image["height"]
    if (found := pixels.shape[1::-1]) != size:
        raise DataError(
            f"{path}: has {found[0]}x{found[1]} pixels, and {size[0]}x{size[1]} by its "
            "annotations; convert the data set again"
        )
    for tile in one.kept:
        if tile.window == (0, 0, *size):
            link_or_copy(path, folder / tile.name)
        else:
            write_if_changed(folder / tile.name, _as_png(pixels, tile))


def _as_png(pixels: "np.ndarray", tile: Tile) -> bytes:
    import cv2

    left, top, right, bottom = tile.window
    return cv2.imencode(CUT, pixels[top:bottom, left:right])[1].tobytes()


def _tiled(
    cocos: Mapping[str, CocoFile], divided: Mapping[str, Divided], cutting: Cutting
) -> dict[str, CocoFile]:
    """Return the COCO files of the tiles; a tile has one number in all of them."""
    entries = _numbered(divided, cutting)
    tiled = {}
    for name, coco in cocos.items():
        own = [
            entries[one] for one in sorted(image["file_name"] for image in coco.images)
        ]
        tiled[name] = replace(
            coco,
            images=[image for images, _ in own for image in images],
            annotations=[item for _, items in own for item in items],
            info=coco.info | {MARK: settings_of(cutting)},
        )
    return tiled


def _numbered(
    divided: Mapping[str, Divided], cutting: Cutting
) -> dict[str, tuple[list[dict], list[dict]]]:
    """Return images and annotations of the tiles of each image, as COCO has them.

    They say what they are of: ``tile_of`` and ``window``, ``part_of`` and ``visible``.
    What is too small a part to learn is a crowd: neither learned nor counted.
    """
    numbers, ids = count(1), count(1)
    entries = {}
    for name, one in divided.items():
        images, annotations = entries.setdefault(name, ([], []))
        for tile in one.kept:
            number = next(numbers)
            images.append(
                {
                    **{"id": number, "file_name": tile.name},
                    "width": tile.window.width,
                    "height": tile.window.height,
                    **{"tile_of": name, "window": list(tile.window)},
                }
            )
            for index, part in tile.parts.items():
                annotations.append(
                    part.annotation
                    | {"id": next(ids), "image_id": number}
                    | {"iscrowd": int(not is_learned(part, cutting))}
                    | {"part_of": one.objects[index]["id"]}
                    | {"visible": as_written(part.visible)}
                )
    return entries


def _publish(made: Path, output: Path, earlier: Sequence[Path]) -> None:
    """Move finished files to their places, from which those of other tiles go first.

    So a run that is killed here leaves none of the files beside one of another run.
    """
    changed = [
        path
        for path in sorted(made.iterdir())
        if not (old := output / path.name).is_file()
        or not filecmp.cmp(path, old, shallow=False)
    ]
    stay = {path.name for path in made.iterdir()} - {path.name for path in changed}
    for path in earlier:
        if path.name not in stay:
            path.unlink(missing_ok=True)
    for path in changed:
        os.replace(path, output / path.name)


def _remove_others(folder: Path, names: Container[str]) -> None:
    """Remove tiles of earlier runs, and what killed ones left half-written."""
    for path in folder.iterdir():
        unfinished = path.name.startswith(".") and path.suffix == ".part"
        if unfinished or (NAME.fullmatch(path.name) and path.name not in names):
            path.unlink()
