"""Where the results of an image go, and what becomes of the image itself."""

import filecmp
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow.files import write_if_changed
from mmdet_flow.formats.mask_image import to_mask_png
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.formats.overlay import to_overlay_jpeg
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.inference.folder import SUFFIXES
from mmdet_flow.inference.journal import Journal
from mmdet_flow.inference.predictor import Prediction

FAILED = "failed"


@dataclass(frozen=True)
class Output:
    """Where results go, in which formats, and what becomes of the inputs.

    ``suffixes`` maps kinds of results ("opex", "rois", "mask", "overlay") to the ends
    of their file names. Results are made in ``tmp`` and moved, if it is given.
    ``after`` is "move", "delete" or "keep".
    """

    folder: Path
    suffixes: dict[str, str]
    tmp: Path | None = None
    after: str = "move"
    width_height: bool = False
    minrect: bool = False

    def name_for(self, image: Path, journal: Journal) -> str:
        """Return a name under which nothing of others is overwritten.

        What an earlier run claimed for this image stays.
        """
        if claimed := journal.name_of(image.name):
            return claimed
        number, stem = 0, image.stem
        while stem in journal.stems or (self.after != "keep" and self._is_there(stem)):
            number += 1
            stem = f"{image.stem}-{number}"
        name = stem + image.suffix
        journal.claim(image.name, name)
        return name

    def store(
        self, file: str, name: str, prediction: Prediction, pixels: np.ndarray
    ) -> None:
        """Write the results of an image, each whole.

        They are called after ``name``; an image that is kept is still ``file``.
        """
        own = file if self.after == "keep" else name
        # A file name need not be valid text; what is written must be.
        text = own.encode("utf-8", "replace").decode()
        makers = {
            "opex": lambda: prediction.opex(text, timestamp()) + "\n",
            "rois": lambda: to_roi_csv(
                *(text, prediction.objects, prediction.width, prediction.height),
                *(self.width_height, self.minrect),
            ),
            "mask": lambda: to_mask_png(prediction.detections),
            "overlay": lambda: to_overlay_jpeg(pixels, prediction.objects),
        }
        for kind, suffix in self.suffixes.items():
            file = Path(name).stem + suffix
            if self.tmp is None:
                write_if_changed(self.folder / file, makers[kind]())
            else:
                write_if_changed(self.tmp / file, makers[kind]())
                _move(self.tmp / file, self.folder / file)

    def has(self, name: str) -> bool:
        """Whether all results of an image are there."""
        stem = Path(name).stem
        return all(
            (self.folder / f"{stem}{s}").is_file() for s in self.suffixes.values()
        )

    def finish(self, image: Path, name: str) -> None:
        """Move or delete an image whose results are safe."""
        if self.after == "move":
            _move(image, self.folder / name)
        elif self.after == "delete":
            image.unlink(missing_ok=True)

    def finish_failed(self, image: Path, reason: str) -> None:
        """Put the reason into failed/, and the image beside it unless it is kept."""
        target, number = self.folder / FAILED / image.name, 0
        move = self.after != "keep" and image.exists()
        while move and target.exists() and not filecmp.cmp(image, target, False):
            number += 1
            target = target.with_name(f"{image.stem}-{number}{image.suffix}")
        write_if_changed(target.with_name(f"{target.name}.txt"), reason + "\n")
        if move:
            _move(image, target)

    def forget_failure(self, image: Path) -> None:
        """Remove the reason of an earlier run, now that the image went well."""
        (self.folder / FAILED / f"{image.name}.txt").unlink(missing_ok=True)

    def _is_there(self, stem: str) -> bool:
        ends = {*self.suffixes.values(), *SUFFIXES, *map(str.upper, SUFFIXES)}
        return any((self.folder / f"{stem}{end}").exists() for end in ends)


def _move(source: Path, target: Path) -> None:
    """Rename a file, or copy it whole and then delete it where disks differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(source, target)
    except FileNotFoundError:
        pass  # someone took it away; its results stay
    except OSError:
        write_if_changed(target, source.read_bytes())
        source.unlink()
