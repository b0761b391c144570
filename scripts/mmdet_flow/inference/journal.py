"""What a run has done so far, on disk: a killed run goes on where it stopped.

A JSON line for each step, in a hidden file of the output folder: first what decides
the results, then for each image the name that its results get (before any of them is
written) and its outcome (after all of them are written). Only then is the image itself
moved or deleted. Tables and manifest are made from it at the end.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmdet_flow.files import new_file

NAME = ".mmdet_predict.jsonl"


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


class Journal:
    """The journal of an output folder; what others than ``settings`` made is dropped.

    ``settings`` is any JSON value that decides the results.
    """

    def __init__(self, folder: Path, settings: object) -> None:
        self.path = folder / NAME
        self._names: dict[str, str] = {}
        self._places: dict[str, int] = {}
        self.stems: set[str] = set()
        end = self._read(settings)
        mode = "r+b" if end else "w+b"
        self._stream = open(self.path, mode)  # noqa: SIM115  close() ends it
        self._stream.truncate(end)
        self._stream.seek(end)
        if not end:
            self._append({"settings": settings})
        self._start = len(_line({"settings": settings}))

    def _read(self, settings: object) -> int:
        """Take over the lines of an earlier run; return where the whole ones end."""
        if not self.path.is_file():
            return 0
        end = 0
        with open(self.path, "rb") as stream:
            for number, line in enumerate(stream):
                try:
                    content = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    content = None
                if content is None:
                    break  # cut off when the run was killed
                if number == 0 and content != {"settings": settings}:
                    return 0
                if "status" in content:
                    self._places[content["file"]] = end
                if "name" in content:
                    self._remember(content["file"], content["name"])
                end += len(line)
        return end

    def name_of(self, file: str) -> str | None:
        """Return the name that was claimed for the results of an image, if any."""
        return self._names.get(file)

    @property
    def files(self) -> list[str]:
        """Names of the images that have an outcome."""
        return list(self._places)

    def claim(self, file: str, name: str) -> None:
        """Note the name of an image's results before they are written."""
        self._remember(file, name)
        self._append({"file": file, "name": name})

    def _remember(self, file: str, name: str) -> None:
        self._names[file] = name
        self.stems.add(Path(name).stem)

    def add(self, outcome: Outcome) -> None:
        """Note an outcome after its results are written."""
        self._places[outcome.file] = self._stream.tell()
        self._append(asdict(outcome))

    def release(self, file: str) -> None:
        """Forget an image that is gone: the next one of its name is another one."""
        name = self._names.pop(file, None)
        self._places.pop(file, None)
        if name is not None:
            self.stems.discard(Path(name).stem)
        if not self._names:
            self._stream.truncate(self._start)
            self._stream.seek(self._start)

    def get(self, file: str) -> Outcome | None:
        """Return the last outcome of an image."""
        if file not in self._places:
            return None
        end = self._stream.tell()
        self._stream.seek(self._places[file])
        line = self._stream.readline()
        self._stream.seek(end)
        return Outcome(**json.loads(line))

    def outcomes(self, files: list[str]) -> Iterator[Outcome]:
        """Yield the outcomes of images, in their order."""
        for file in files:
            if outcome := self.get(file):
                yield outcome

    def close(self, remove: bool) -> None:
        """End the journal: remove it, or keep one line an image, in their order.

        So that it tells nothing of the way that the run took.
        """
        if remove:
            self.path.unlink(missing_ok=True)
        else:
            with new_file(self.path) as temporary, open(temporary, "wb") as stream:
                self._stream.seek(0)
                stream.write(self._stream.readline())
                for outcome in self.outcomes(sorted(self._places)):
                    stream.write(_line(asdict(outcome)))
        self._stream.close()

    def _append(self, content: object) -> None:
        self._stream.write(_line(content))
        self._stream.flush()


def _line(content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"
