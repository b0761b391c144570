"""What a run has done so far, on disk: a killed run goes on where it stopped.

A JSON line for each step, in a hidden file of the output folder: first what decides
the results, then for each image the names of all files that are made for it (before any
of them is written) and its outcome (after its results are written). Only then is the
image itself moved or deleted. Tables and manifest are made from it at the end.

An image is its content: another one that has got the name of an earlier one has names
and an outcome of its own. Where images stay in their folder, an image is its name in
it: what changed gets its results anew, in place of the earlier ones, and an image of
another folder has results of its own.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from mmdet_flow.errors import DataError
from mmdet_flow.files import new_file

NAME = ".mmdet_predict.jsonl"

Key = tuple[str, str]
"""The name of an image, and its SHA-256 or folder, which tell it from its namesakes."""


@dataclass
class Outcome:
    """What became of an image.

    Attributes:
        file: name of the image in its folder.
        name: name that its results are for; differs where results were in the way.
        sha256: of the image file, or "" if it could not be read.
        status: "ok", "empty" or "failed", with the reason in ``error``.
        objects: a row of the objects table each, or None if not asked for.
        coco: rows of COCO results, or None if not asked for.
    """

    file: str
    name: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    status: str = "failed"
    error: str = ""
    n_objects: int = 0
    max_score: float | None = None
    objects: list | None = field(default=None, repr=False)
    coco: list | None = field(default=None, repr=False)


@dataclass
class Claim:
    """The files of an image, in the output folder, and the name they go by.

    ``folder`` says which one the image lies in, where images stay.
    """

    file: str
    sha256: str
    name: str
    files: list[str]
    folder: str = ""


class Journal:
    """The journal of an output folder.

    Outcomes of a run with other ``settings``, any JSON value, are dropped as soon as a
    line is written; what it made may be replaced then. Until then the file is as it
    was, so that a run whose model cannot be loaded costs nothing. ``images`` is the
    folder of images that stay there; without it images are told apart by their content.
    """

    def __init__(
        self, folder: Path, settings: object, images: Path | None = None
    ) -> None:
        self.path = folder / NAME
        self._images = "" if images is None else _way(folder, images)
        self._claims: dict[Key, Claim] = {}
        self._owners: dict[str, Key] = {}
        self._places: dict[Key, int] = {}
        self._header = {"settings": settings, "images": self._images}
        self._stream = None
        try:
            self._end = self._read(self._header)
            if self.path.exists():
                self._open("r+b")
        except OSError as error:
            raise DataError(
                f"{self.path}: {error.strerror}; take it away, or choose another folder"
            ) from None
        self._has_begun = False
        self._start = len(_line(self._header))
        self._earlier = set(self._claims)

    def _open(self, mode: str) -> None:
        # Without a buffer, which would keep what a full disk refused.
        self._stream = open(self.path, mode, 0)  # noqa: SIM115

    def _begin(self) -> None:
        """Take away what does not count, before the first line is written."""
        if self._has_begun:
            return
        self._has_begun = True
        if self._stream is None:
            self._open("w+b")
        self._stream.truncate(self._end)
        if not self._end:
            self._append(self._header)
            for claim in self._claims.values():
                self._append(vars(claim))

    def _read(self, header: dict) -> int:
        """Take over the lines of an earlier run; return where the whole ones end.

        Of a run with another header only the claims count.
        """
        if not self.path.exists():
            return 0
        end, same = 0, True
        with open(self.path, "rb") as stream:
            for number, line in enumerate(stream):
                content = _content_of(line)
                if content is None:
                    break  # cut off when the run was killed
                if number == 0:
                    same = content == header
                elif CLAIM - {"folder"} <= set(content) <= CLAIM:
                    # Without a folder it is of an earlier version, and of this one.
                    self._remember(Claim(**{"folder": self._images} | content))
                elif set(content) == OUTCOME and same:
                    self._places[self.key(content["file"], content["sha256"])] = end
                end += len(line)
        return end if same else 0

    def key(self, file: str, sha256: str) -> Key:
        """Return what tells an image from others."""
        return file, self._images or sha256

    def claim_of(self, file: str, sha256: str) -> Claim | None:
        """Return what was claimed for an image, if anything."""
        return self._claims.get(self.key(file, sha256))

    def owner_of(self, path: str) -> Key | None:
        """Return which image has claimed a file, whether upper or lower case."""
        return self._owners.get(path.casefold())

    @property
    def files(self) -> list[str]:
        """Names of the images that have an outcome."""
        return list(dict.fromkeys(file for file, _ in self._places))

    def claim(self, claim: Claim) -> None:
        """Note the files of an image before they are written, beside earlier ones.

        Also where nothing is new of them: what is written now is of this run.
        """
        self._begin()
        claim.folder = self._images
        if earlier := self.claim_of(claim.file, claim.sha256):
            claim.files = list(dict.fromkeys([*earlier.files, *claim.files]))
        if claim != earlier:
            self._append(vars(claim))
            self._remember(claim)

    def _remember(self, claim: Claim) -> None:
        key = claim.file, claim.folder or claim.sha256
        self._claims[key] = claim
        self._owners |= {path.casefold(): key for path in claim.files}

    def add(self, outcome: Outcome) -> None:
        """Note an outcome after its results are written."""
        self._begin()
        self._places[self.key(outcome.file, outcome.sha256)] = self._end
        self._append(vars(outcome))

    def release(self, file: str, sha256: str) -> None:
        """Forget an image that is gone, and what a killed run claimed for its name."""
        stale = {key for key in self._earlier if key[0] == file}
        self._earlier -= stale
        for key in {self.key(file, sha256), *stale}:
            self._places.pop(key, None)
            claim = self._claims.pop(key, None)
            for path in claim.files if claim else ():
                self._owners.pop(path.casefold(), None)
        if not self._claims:
            self._begin()
            self._end = self._start
            self._stream.truncate(self._end)

    def get(self, file: str, sha256: str = "") -> Outcome | None:
        """Return the last outcome of an image."""
        place = self._places.get(self.key(file, sha256))
        return None if place is None else self._at(place)

    def _at(self, place: int) -> Outcome:
        with open(self.path, "rb") as stream:
            stream.seek(place)
            return Outcome(**json.loads(stream.readline()))

    def outcomes(self, files: list[str]) -> Iterator[Outcome]:
        """Yield the outcomes of images, in their order."""
        places: dict[str, list[int]] = {}
        for (file, _), place in self._places.items():
            places.setdefault(file, []).append(place)
        if not places:
            return  # there may be no file yet
        with open(self.path, "rb") as stream:
            for file in files:
                for place in places.get(file, ()):
                    stream.seek(place)
                    yield Outcome(**json.loads(stream.readline()))

    def close(self, remove: bool) -> None:
        """End the journal: remove it, or keep what is known of each image, in order.

        So that it tells nothing of the way that the run took.
        """
        if remove:
            self.path.unlink(missing_ok=True)
        else:
            self._begin()
            with new_file(self.path) as temporary, open(temporary, "wb") as stream:
                self._stream.seek(0)
                stream.write(self._stream.read(self._start))
                for key in sorted({*self._claims, *self._places}):
                    if claim := self._claims.get(key):
                        stream.write(_line(vars(claim)))
                    if (place := self._places.get(key)) is not None:
                        stream.write(_line(vars(self._at(place))))
        if self._stream is not None:
            self._stream.close()

    def _append(self, content: object) -> None:
        self._begin()
        line = _line(content)
        self._stream.seek(self._end)
        written = 0
        while written < len(line):
            written += self._stream.write(line[written:])
        self._end += len(line)


CLAIM, OUTCOME = ({one.name for one in fields(cls)} for cls in (Claim, Outcome))


def _way(start: Path, end: Path) -> str:
    """Return a short text for the way from a folder to another one.

    It is the same after both were moved together, and names no folder.
    """
    way = os.path.relpath(os.path.realpath(end), os.path.realpath(start))
    return hashlib.sha256(os.fsencode(way)).hexdigest()[:16]


def _line(content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _content_of(line: bytes) -> dict | None:
    """Return what a line says, or nothing if it is not whole."""
    try:
        content = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    texts = [content.get(key, "") for key in ("file", "sha256", "name")]
    texts += content.get("files", [])
    return content if all(isinstance(text, str) for text in texts) else None
