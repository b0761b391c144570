"""How the data of two experiments differ, and whether their figures can be paired."""

from collections import Counter

from mmdet_flow import layout
from mmdet_flow.comparison.identity import annotations_sha256, objects_by_name
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.files import sha256_of
from mmdet_flow.results import ResultsFolder


def compare_data(a: ResultsFolder, b: ResultsFolder) -> dict[str, dict]:
    """Return images and objects of each split, and what of it both have.

    "same" says whether images, sizes and annotations are equal. Of the test split
    "same_pixels" says whether the image files are.
    """
    compared = {name: _compare_split(a, b, name) for name in layout.SPLITS}
    compared["test"] |= _compare_pixels(a, b)
    return compared


def _compare_split(a: ResultsFolder, b: ResultsFolder, name: str) -> dict:
    first, second = a.split(name), b.split(name)
    left, right = objects_by_name(first), objects_by_name(second)
    common = left.keys() & right.keys()
    hashes = [annotations_sha256(one.split_file(name)) for one in (a, b)]
    return {
        "a": _counts(first, hashes[0]),
        "b": _counts(second, hashes[1]),
        "same": hashes[0] == hashes[1],
        "common_images": len(common),
        "common_and_annotated_alike": sum(left[one] == right[one] for one in common),
    }


def _counts(coco: CocoFile, sha256: str) -> dict:
    names = {item["id"]: item["name"] for item in coco.categories}
    counts = Counter(names[item["category_id"]] for item in coco.annotations)
    return {
        "sha256": sha256,
        "images": len(coco.images),
        "objects": {name: counts[name] for name in coco.classes},
    }


def _compare_pixels(a: ResultsFolder, b: ResultsFolder) -> dict:
    """Compare the files of the test images that both have."""
    folders = [one.file(layout.IMAGES) for one in (a, b)]
    names = [{i["file_name"] for i in one.split("test").images} for one in (a, b)]
    changed = [
        name
        for name in sorted(names[0] & names[1])
        if not _same_file(folders[0] / name, folders[1] / name)
    ]
    return {"same_pixels": not changed, "changed_pixels": changed}


def _same_file(left, right) -> bool:
    same = left.exists() and right.exists() and left.samefile(right)
    return same or sha256_of(left) == sha256_of(right)


def can_pair(data: dict[str, dict]) -> bool:
    """Whether both were measured on the same images and annotations."""
    return data["test"]["same"] and data["test"]["same_pixels"]


def why_not_paired(data: dict[str, dict]) -> str:
    """Return one line that says how the test sets differ."""
    test = data["test"]
    return (
        f"The test sets differ: {test['a']['images']} images and "
        f"{test['b']['images']}, of which {test['common_images']} have the same name, "
        f"{test['common_and_annotated_alike']} of these the same annotations, and "
        f"{len(test['changed_pixels'])} other pixels. So figures are not paired, and "
        "no images are shown."
    )
