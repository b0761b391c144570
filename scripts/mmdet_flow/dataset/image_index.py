"""The image files of a data set, to be found by what an annotation says."""

from pathlib import Path

from mmdet_flow.dataset.annotations import Problem, broken
from mmdet_flow.dataset.fields import shown
from mmdet_flow.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
"""What the readers of wai.annotations accept."""

OTHER_IMAGE_SUFFIXES = (".tif", ".tiff", ".webp")
"""What is found too, and can be converted to PNG."""


class ImageIndex:
    """The image files below a folder, to be found by what an annotation says."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES + OTHER_IMAGE_SUFFIXES
            and path.is_file()
        )
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for path in self.paths:
            self._by_name.setdefault(path.name, []).append(path)
            self._by_stem.setdefault(path.stem, []).append(path)

    def find(self, annotation: Path, name: str) -> Path | Problem:
        """Return the image called ``name``, with or without folders and suffix.

        Of several the one in a folder of the same name wins: that of the annotation,
        or the one that ``name`` states.
        """
        found = self._candidates(annotation, name)
        if len(found) == 1:
            return found[0]
        if not found:
            return Problem("missing-image", annotation, "", f"no image {shown(name)}")
        names = " and ".join(f"{path.parent.name}/{path.name}" for path in found[:3])
        what = f"{name!r} may be {names}"
        return Problem("ambiguous-image", annotation, "", what, images=found)

    def broken(self, annotation: Path, name: str, error: DataError | str) -> Problem:
        """Return the problem of a file that cannot be read, with the image ``name``."""
        return broken(annotation, error, images=self._candidates(annotation, name))

    def _candidates(self, annotation: Path, name: str) -> tuple[Path, ...]:
        wanted = Path(name.strip().replace("\\", "/"))
        found = self._by_name.get(wanted.name) or self._by_stem.get(wanted.stem, [])
        if len(found) > 1:
            folders = {wanted.parent.name, annotation.parent.name}
            found = [path for path in found if path.parent.name in folders] or found
        return tuple(found)
