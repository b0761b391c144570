"""YOLO: one text file an image, in shares of its size, with numbers for classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet_flow.dataset.annotations import (
    AnnotatedImage,
    AnnotatedObject,
    AnnotationFormat,
    ImageIndex,
    Problem,
    Source,
    image_or_problems,
    read_objects,
)
from mmdet_flow.dataset.pixels import read_size
from mmdet_flow.errors import DataError

LABEL_FILES = ("labels.txt", "classes.txt", "obj.names", "data.yaml", "dataset.yaml")
"""Where the class names are looked for when no file is given."""


def read(source: Source, index: ImageIndex) -> Iterator[AnnotatedImage | Problem]:
    """Read each text file; its image has the same stem.

    Without a file of class names the numbers are the names. Shares become whole
    pixels by the rule of wai.annotations: sizes rounded first, then the corner.
    """
    names = _read_names(source)
    for path in source.files("*.txt"):
        if path.name in LABEL_FILES or path == source.labels:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            yield index.broken(path, path.stem, f"broken text: {error}")
            continue
        image = index.find(path, path.stem)
        size = (1, 1)
        if not isinstance(image, Problem):
            try:
                size = read_size(image, source.turned)
            except Exception as error:
                what = f"no image: {error}"
                image = Problem("unreadable-image", image, "", what, images=(image,))
        lines = [line for line in text.splitlines() if line.strip()]
        objects = read_objects(path, lines, _line_reader(names, size), "line")
        yield from image_or_problems(path, image, None, objects)


def write(images: Sequence[AnnotatedImage], folder: Path) -> list[Path]:
    """Write a text file beside each image; labels have to be class numbers.

    Boxes are centred so that the rule of wai.annotations finds the same pixels.
    """
    files = []
    for image in images:
        size = read_size(folder / image.image.name, turned=False)
        path = folder / f"{image.image.stem}.txt"
        path.write_text("\n".join(_to_line(item, size) for item in image.objects))
        files.append(path)
    return files


def _read_names(source: Source) -> list[str]:
    folder = source.annotations
    candidates = [
        parent / name for parent in (folder, folder.parent) for name in LABEL_FILES
    ]
    path = source.labels or next((path for path in candidates if path.is_file()), None)
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the file of labels") from None
    if path.suffix in (".yaml", ".yml"):
        return _names_of_yaml(path, text)
    separator = "\n" if len(text.split("\n")) > 1 and "," not in text else ","
    names = [name.strip() for name in text.strip().split(separator)]
    if not all(names) or "\n" in ",".join(names):
        raise DataError(
            f"{path}: no list of class names; write one a line, or one line with commas"
        )
    return names


def _names_of_yaml(path: Path, text: str) -> list[str]:
    import yaml

    try:
        names = yaml.safe_load(text)["names"]
        return [str(names[number]).strip() for number in range(len(names))]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DataError(f"{path}: has no list of names: {error}; add it") from None


def _line_reader(names: list[str], size: tuple[int, int]):
    def read_line(line: str, place: str) -> AnnotatedObject:
        number, *values = line.split()
        shares = list(map(float, values))
        if names and not 0 <= int(number) < len(names):
            raise ValueError(f"class {number} is none of the {len(names)} classes")
        label = names[int(number)] if names else str(int(number))
        if len(shares) == 4:
            return AnnotatedObject(label, _to_pixels(shares, size), place)
        if len(shares) < 6 or len(shares) % 2:
            raise ValueError(f"{len(shares)} numbers are neither a box nor a polygon")
        columns, rows = shares[::2], shares[1::2]
        width, height = max(columns) - min(columns), max(rows) - min(rows)
        box = [min(columns) + width / 2, min(rows) + height / 2, width, height]
        scaled = (
            float(round(share * side))
            for point in zip(columns, rows, strict=True)
            for share, side in zip(point, size, strict=True)
        )
        return AnnotatedObject(label, _to_pixels(box, size), place, tuple(scaled))

    return read_line


def _to_pixels(box: list[float], size: tuple[int, int]):
    width, height = round(box[2] * size[0]), round(box[3] * size[1])
    x, y = round(box[0] * size[0] - width / 2), round(box[1] * size[1] - height / 2)
    return float(x), float(y), float(width), float(height)


def _to_line(item: AnnotatedObject, size: tuple[int, int]) -> str:
    if item.polygon:
        sides = [*size] * (len(item.polygon) // 2)
        shares = [v / side for v, side in zip(item.polygon, sides, strict=True)]
    else:
        x, y, width, height = item.bbox
        shares = [
            (x + width / 2) / size[0],
            (y + height / 2) / size[1],
            width / size[0],
            height / size[1],
        ]
    return " ".join([item.label, *map(repr, shares)])


# Without a stated place the reader may look for a folder for ever.
FORMAT = AnnotationFormat(read, write, ("from-yolo-od", "--image-path-rel", "."))
