"""Where the results of an image go, and what becomes of the image itself."""

import errno
import filecmp
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmdet_flow import cli
from mmdet_flow.errors import DataError
from mmdet_flow.files import NAME_MAX, Identity, as_text, identity_of, write_if_changed
from mmdet_flow.formats.mask_image import to_mask_png
from mmdet_flow.formats.opex import timestamp
from mmdet_flow.formats.overlay import to_overlay_jpeg
from mmdet_flow.formats.roi_csv import to_roi_csv
from mmdet_flow.images import hash_file
from mmdet_flow.inference.folder import FAILED, SUFFIXES
from mmdet_flow.inference.journal import Claim, Journal, Key, Outcome
from mmdet_flow.inference.predictor import Prediction


@dataclass(frozen=True)
class Output:
    """Where results go, in which formats, and what becomes of the inputs.

    ``suffixes`` maps result formats ("opex", "rois", "mask", "overlay") to the ends
    of their file names. Results are made in ``tmp`` and moved, if it is given.
    ``after`` is "move", "delete" or "keep". ``reserved`` are paths of other files that
    the run makes.
    """

    folder: Path
    suffixes: dict[str, str]
    tmp: Path | None = None
    after: str = "move"
    width_height: bool = False
    minrect: bool = False
    reserved: frozenset[Path] = frozenset()

    @property
    def failed(self) -> Path:
        return self.folder / FAILED

    def require_windows(self) -> None:
        """Raise DataError where a result takes the whole of an image at once."""
        if "overlay" in self.suffixes:
            raise DataError(
                "the image is too large for --output_overlay, which draws on all of "
                "it; leave that out"
            )

    def claim(self, image: Path, sha256: str, journal: Journal) -> str:
        """Return a name under which nothing of others is overwritten, and note it.

        All files that the image needs go by it: its results, and itself if it is
        moved. What an earlier run claimed for this image stays. Raises DataError where
        the image's name is too long for those of its files.
        """
        names = _numbered(image.stem, image.suffix)
        return self._claim(image, sha256, journal, names, self._files_of)

    def claim_failed(self, image: Path, sha256: str, journal: Journal) -> str:
        """Return the name in failed/ of an image that fails, and note it."""
        names = _numbered(*_short(image.stem, image.suffix))
        return self._claim(image, sha256, journal, names, self._files_of_failed)

    def _claim(self, image, sha256, journal, names, files_of) -> str:
        if earlier := journal.claim_of(image.name, sha256):
            names = itertools.chain([earlier.name], names)
        for name in names:
            files = files_of(name)
            if any(len(os.fsencode(Path(file).name)) > NAME_MAX for file in files):
                break
            owner = journal.key(image.name, sha256)
            if all(self._is_free(file, name, image, owner, journal) for file in files):
                journal.claim(Claim(image.name, sha256, name, files))
                return name
        raise DataError(
            f"{image}: its name is too long for those of its results; shorten it"
        )

    def _files_of(self, name: str) -> list[str]:
        """Return all files that an image needs under a name, in the output folder."""
        results = [Path(name).stem + suffix for suffix in self.suffixes.values()]
        return [*results, name] if self.after == "move" else results

    def _files_of_failed(self, name: str) -> list[str]:
        reason = f"{FAILED}/{name}.txt"
        return [reason] if self.after == "keep" else [reason, f"{FAILED}/{name}"]

    def _is_free(
        self, file: str, name: str, image: Path, key: Key, journal: Journal
    ) -> bool:
        """Whether a file is that of an image, or may become it."""
        if owner := journal.owner_of(file):
            return owner == key
        path = self.folder / file
        if self._lies_in_failed(image) and file in self._files_of_failed(image.name):
            return True  # it stays, with a new reason
        if path.name == name and _is_entry(path, image):
            return True  # it is where it would go
        places = [path] if self.tmp is None else [path, self.tmp / file]
        return path not in self.reserved and not any(map(os.path.lexists, places))

    def _lies_in_failed(self, image: Path) -> bool:
        try:
            return image.parent.samefile(self.failed)
        except OSError:
            return False

    def store(
        self, file: str, name: str, prediction: Prediction, pixels: np.ndarray
    ) -> None:
        """Write the results of an image, each whole.

        They are called after ``name``; an image that is kept is still ``file``.
        """
        own = file if self.after == "keep" else name
        text = as_text(own)  # what is written must be valid
        makers = {
            "opex": lambda: prediction.opex(text, timestamp()) + "\n",
            "rois": lambda: to_roi_csv(
                text,
                prediction.objects,
                prediction.width,
                prediction.height,
                width_height=self.width_height,
                minrect=self.minrect,
            ),
            "mask": lambda: to_mask_png(prediction.detections),
            "overlay": lambda: to_overlay_jpeg(pixels, prediction.objects),
        }
        for result_format, suffix in self.suffixes.items():
            file = Path(name).stem + suffix
            if self.tmp is None:
                write_if_changed(self.folder / file, makers[result_format]())
            else:
                write_if_changed(self.tmp / file, makers[result_format]())
                _move(self.tmp / file, self.folder / file)

    def has(self, outcome: Outcome, journal: Journal) -> bool:
        """Whether all results of an image are there, and its own place is claimed."""
        claim = journal.claim_of(outcome.file, outcome.sha256)
        stem = Path(outcome.name).stem
        return (
            claim is not None
            and set(self._files_of(outcome.name)) <= set(claim.files)
            and all(
                (self.folder / f"{stem}{end}").is_file()
                for end in self.suffixes.values()
            )
        )

    def finish(self, image: Path, seen: Identity, outcome: Outcome) -> None:
        """Move or delete an image whose results are safe, if it is still the one."""
        if self.after == "keep" or not _is_still(image, seen, outcome.sha256):
            return
        with _staying(image):
            if self.after == "delete":
                image.unlink(missing_ok=True)
            else:
                _take(image, self.folder / outcome.name)
        if self._lies_in_failed(image):
            (self.failed / f"{image.name}.txt").unlink(missing_ok=True)

    def finish_failed(
        self, image: Path, seen: Identity | None, outcome: Outcome, journal: Journal
    ) -> None:
        """Put the reason into failed/, and the image beside it unless it is kept.

        What could not be read stays where it is, too. Where images are kept, results
        of what the image was before go: it has none now.
        """
        name = self.claim_failed(image, outcome.sha256, journal)
        reason = as_text(outcome.error) + "\n"
        write_if_changed(self.failed / f"{name}.txt", reason)
        if self.after == "keep" and seen:
            self._remove_results(outcome, journal)
        elif seen and _is_still(image, seen, outcome.sha256):
            with _staying(image):
                _take(image, self.failed / name)

    def _remove_results(self, outcome: Outcome, journal: Journal) -> None:
        claim = journal.claim_of(outcome.file, outcome.sha256)
        for file in claim.files if claim else ():
            if Path(file).parent != Path(FAILED):
                (self.folder / file).unlink(missing_ok=True)

    def forget_failure(self, outcome: Outcome, journal: Journal) -> None:
        """Remove the reason of an earlier run, now that the image went well."""
        claim = journal.claim_of(outcome.file, outcome.sha256)
        for file in claim.files if claim else ():
            if Path(file).parent == Path(FAILED) and file.endswith(".txt"):
                (self.folder / file).unlink(missing_ok=True)


def _numbered(stem: str, suffix: str) -> Iterator[str]:
    """Yield names until one is free."""
    yield stem + suffix
    for number in itertools.count(1):
        yield f"{stem}-{number}{suffix}"


def _short(stem: str, suffix: str) -> tuple[str, str]:
    """Return the parts of a name, cut so that the names of its files fit a disk."""
    room = NAME_MAX - len("-9999.txt")
    if len(os.fsencode(stem + suffix)) <= room:
        return stem, suffix
    suffix = suffix if suffix.lower() in SUFFIXES else ""
    return os.fsencode(stem)[: room - len(suffix)].decode(errors="ignore"), suffix


def _is_entry(place: Path, image: Path) -> bool:
    """Whether a path is the very file of an image, not a link that leads to it."""
    try:
        return os.path.samestat(os.lstat(place), os.lstat(image))
    except (OSError, ValueError):
        return False


def _is_still(image: Path, seen: Identity, sha256: str) -> bool:
    """Whether a file is the one that was read.

    One that was written anew in the same moment, with the same size, as its times
    tell, is not told apart.
    """
    try:
        if identity_of(os.stat(image)) == seen:
            return True
        # Its mode may have changed, or it may have got another link.
        if hash_file(image)[0] == sha256:
            return True
    except (OSError, DataError):
        return False  # someone took it away; its results stay
    cli.log.warning("%s: has changed since it was read, and stays for the next", image)
    return False


@contextmanager
def _staying(image: Path) -> Iterator[None]:
    """Leave an image where it is if this one cannot be taken away.

    It may be that of another user in a folder with the sticky bit, or immutable; the
    others go on.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES, errno.EBUSY):
            raise
        cli.log.warning("%s: stays, it cannot be taken: %s", image, error.strerror)


def _take(image: Path, target: Path) -> None:
    """Move an image to a place that is free, or that holds it already."""
    if not os.path.lexists(target):
        _move(image, target)
    elif image.name == target.name and image.parent.samefile(target.parent):
        pass  # it is there
    elif not target.is_symlink() and filecmp.cmp(image, target, shallow=False):
        image.unlink()
    else:
        cli.log.warning("%s: stays, since %s is there now", image, target)


def _move(source: Path, target: Path) -> None:
    """Rename a file, or copy it whole and then delete it where disks differ."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        # As it is, a relative one would lead nowhere.
        content, folder = map(os.path.realpath, (source, target.parent))
        target.symlink_to(os.path.relpath(content, folder))
        source.unlink()
        return
    try:
        os.replace(source, target)
    except FileNotFoundError:
        pass  # someone took it away; its results stay
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        write_if_changed(target, source.read_bytes())
        source.unlink()
