"""Divide a COCO file into training, validation and test images.

Shares are stratified by class, so that each split has its part of every class.
Lists are text files with one image name, or stem, a line.
"""

import argparse
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.errors import DataError, UsageError, did_you_mean
from mmdet_flow.files import write_if_changed

SPLITS = ("train", "val", "test")


def split(coco: CocoFile, output: Path, wanted: dict[str, str], seed: int) -> None:
    """Write ``train``, ``val`` and ``test`` as JSON and text, and ``trainval.json``.

    ``wanted`` gives a share (as "0.7") or a list file for each split.
    """
    shares = {name: _share(text) for name, text in wanted.items()}
    if all(share is not None for share in shares.values()):
        parts = split_by_share(coco, shares, seed)
    elif any(share is not None for share in shares.values()):
        raise UsageError("splits: give shares for all splits, or list files for all")
    else:
        parts = {name: _read_list(coco, Path(text)) for name, text in wanted.items()}
        _require_apart(parts)
    for name, names in parts.items():
        if not names:
            raise DataError(
                f"split {name}: is empty; {len(coco.images)} images are too few "
                "for this share, or its list is empty"
            )
        write_if_changed(output / f"{name}.txt", "\n".join(names) + "\n")
        coco.subset(names).write(output / f"{name}.json")
    coco.subset(parts["train"] + parts["val"]).write(output / "trainval.json")
    cli.log.info(
        "%s", ", ".join(f"{name} {len(names)}" for name, names in parts.items())
    )


def split_by_share(
    coco: CocoFile, shares: dict[str, float], seed: int
) -> dict[str, list[str]]:
    """Return the image names of each split, stratified by class.

    Iterative stratification after Sechidis et al., "On the Stratification of
    Multi-Label Data" (2011): images of the rarest class are dealt first, each to
    the split that still lacks most of that class.
    """
    rng = np.random.default_rng(seed)
    names = list(shares)
    share = np.array([shares[name] for name in names])
    share = share / share.sum()
    has_class = _class_matrix(coco)
    lacking = share[:, None] * has_class.sum(0)
    room = share * len(coco.images)
    remaining = rng.permutation(len(coco.images))
    chosen: dict[str, list[str]] = {name: [] for name in names}
    while len(remaining):
        counts = has_class[remaining].sum(0)
        rarest = int(np.argmin(np.where(counts > 0, counts, np.inf)))
        batch = remaining[has_class[remaining, rarest]] if counts.any() else remaining
        for image in batch:
            # Most needed by class, then by room; the first split wins a tie.
            order = np.lexsort((-room, -lacking[:, rarest] if counts.any() else -room))
            target = int(order[0])
            lacking[target] -= has_class[image]
            room[target] -= 1
            chosen[names[target]].append(coco.images[image]["file_name"])
        remaining = remaining[~np.isin(remaining, batch)]
    _fill_empty(chosen)
    return {name: sorted(images) for name, images in chosen.items()}


def _fill_empty(chosen: dict[str, list[str]]) -> None:
    """Give each empty split one image of the fullest, while there is one to give."""
    for images in chosen.values():
        fullest = max(chosen.values(), key=len)
        if not images and len(fullest) > 1:
            images.append(fullest.pop())


def _class_matrix(coco: CocoFile) -> np.ndarray:
    """Return which image (row) has which class (column), as booleans."""
    rows = {image["id"]: row for row, image in enumerate(coco.images)}
    columns = {item["id"]: column for column, item in enumerate(coco.categories)}
    matrix = np.zeros((len(rows), len(columns)), bool)
    for item in coco.annotations:
        matrix[rows[item["image_id"]], columns[item["category_id"]]] = True
    return matrix


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    if not 0 < share < 1:
        raise UsageError(f"share {text}: give a number between 0 and 1")
    return share


def _read_list(coco: CocoFile, path: Path) -> list[str]:
    """Return the image names of a list file, which may leave out the suffix."""
    known = {image["file_name"]: image["file_name"] for image in coco.images}
    known |= {Path(name).stem: name for name in list(known)}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path") from None
    names = [line.strip() for line in lines if line.strip()]
    for number, name in enumerate(names, 1):
        if name not in known:
            hint = did_you_mean(name, known) or "; correct the list"
            raise DataError(f"{path}, line {number}: no image {name}{hint}")
    return sorted({known[name] for name in names})


def _require_apart(parts: dict[str, list[str]]) -> None:
    seen: dict[str, str] = {}
    for split_name, names in parts.items():
        for name in names:
            if name in seen:
                raise DataError(
                    f"{name}: is in the lists of {seen[name]} and of {split_name}; "
                    "remove it from one"
                )
            seen[name] = split_name


def build_parser() -> argparse.ArgumentParser:
    parser = cli.new_parser("mmdet_split", __doc__)
    parser.add_argument("annotations", type=Path, metavar="COCO")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    for name, share in zip(SPLITS, ("0.7", "0.15", "0.15"), strict=True):
        parser.add_argument(
            f"--{name}", default=share, metavar="SHARE|FILE", help=f"default {share}"
        )
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    wanted = {name: getattr(args, name) for name in SPLITS}
    return cli.run(
        lambda: split(CocoFile.read(args.annotations), args.output, wanted, args.seed),
        args,
    )
