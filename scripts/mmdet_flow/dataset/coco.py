"""A COCO file in memory: the form in which a data set travels between the steps."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_flow.errors import DataError
from mmdet_flow.files import read_json, write_json


@dataclass(frozen=True)
class CocoFile:
    """Images, annotations and categories as plain COCO dictionaries.

    ``images`` and ``annotations`` are ordered by id; ``categories`` by id too, and
    that order is the class list. ``info`` carries the hash of the class list.
    """

    path: Path
    images: list[dict]
    annotations: list[dict]
    categories: list[dict]
    info: dict = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | str) -> "CocoFile":
        """Read a COCO file; DataError if it is none."""
        content = read_json(path)
        keys = ("images", "annotations", "categories")
        if not isinstance(content, dict) or not all(
            isinstance(content.get(key), list) for key in keys
        ):
            raise DataError(
                f"{path}: not a COCO file: needs the lists {', '.join(keys)}"
            )
        by_id = [_sorted_by_id(content[key], f"{path}: {key}") for key in keys]
        info = content.get("info")
        return cls(Path(path), *by_id, info if isinstance(info, dict) else {})

    def write(self, path: Path | str) -> None:
        """Write the file, unless it already holds the same."""
        write_json(
            path,
            {
                "info": self.info,
                "images": self.images,
                "annotations": self.annotations,
                "categories": self.categories,
            },
        )

    @property
    def classes(self) -> list[str]:
        return [category["name"] for category in self.categories]

    @property
    def has_polygons(self) -> bool:
        """Whether each object has a polygon or a mask."""
        return bool(self.annotations) and all(
            annotation.get("segmentation") for annotation in self.annotations
        )

    def subset(self, names: Iterable[str]) -> "CocoFile":
        """Return the part with these image names; ids stay as they are."""
        wanted = set(names)
        images = [image for image in self.images if image["file_name"] in wanted]
        ids = {image["id"] for image in images}
        annotations = [item for item in self.annotations if item["image_id"] in ids]
        return CocoFile(self.path, images, annotations, self.categories, self.info)

    def objects_by_image(self) -> dict[int, list[dict]]:
        """Return the annotations of each image id, those without any included."""
        objects: dict[int, list[dict]] = {image["id"]: [] for image in self.images}
        for annotation in self.annotations:
            objects[annotation["image_id"]].append(annotation)
        return objects


def _sorted_by_id(items: list[dict], where: str) -> list[dict]:
    try:
        return sorted(items, key=lambda item: item["id"])
    except (KeyError, TypeError):
        raise DataError(f"{where}: one has no id, a number; add it") from None


def only_polygon(segmentation: list | dict | None) -> tuple[float, ...]:
    """Return (x0, y0, x1, y1, ...) of what has exactly one polygon, or nothing."""
    if isinstance(segmentation, list) and len(segmentation) == 1:
        return tuple(map(float, segmentation[0]))
    return ()
