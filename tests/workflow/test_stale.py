"""Files that change in place, under Snakemake: what is repeated, and what is not."""

import os
import shutil

import pytest

from tests.conftest import run_command
from tests.workflow.test_failures import jobs_of
from tests.workflow.test_workflow import snakemake, write_config

TARGETS = ("results/a/splits/test.json", "results/a/model/base.py")
CONVERSION = ["convert_annotations", "split_dataset"]


def make_data(folder):
    """Lay out YOLO labels, a class list, groups, images, and a config with a base."""
    run = run_command(
        "mmdet-flow start example", "--output", folder / "drawn", "--images", "10"
    )
    assert run.returncode == 0, run.stderr
    (folder / "ann/deep").mkdir(parents=True)
    (folder / "images/deep").mkdir(parents=True)
    images = sorted((folder / "drawn").glob("*.jpg"))
    for number, path in enumerate(images):
        below = "deep" if number > 7 else "."
        shutil.move(path, folder / "images" / below / path.name)
        label = folder / "ann" / below / f"{path.stem}.txt"
        label.write_text("0 0.4 0.4 0.25 0.25\n1 0.7 0.7 0.25 0.25\n")
    (folder / "names.txt").write_text("cat\ndog\n")
    rows = "".join(f"{path.name},{n // 2}\n" for n, path in enumerate(images))
    (folder / "groups.csv").write_text(f"image,group\n{rows}")
    (folder / "parent.py").write_text("model = dict(type='RetinaNet')\n")
    (folder / "own.py").write_text("_base_ = './parent.py'\n")


def config() -> dict:
    data = {"format": "yolo", "annotations": "ann", "images": "images"}
    data |= {"labels": "names.txt", "min_objects": 1}
    splits = {"train": 0.6, "val": 0.2, "test": 0.2, "group_file": "groups.csv"}
    return {"experiments": {"a": {"data": data, "splits": splits, "model": {}}}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workflow that was run as far as splits and base config."""
    folder = tmp_path_factory.mktemp("stale")
    make_data(folder)
    content = config()
    content["experiments"]["a"]["model"]["base"] = "own.py"
    write_config(folder, content)
    run = snakemake(folder, "--", *TARGETS)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def dry(folder) -> list[str]:
    """Return the jobs that the next run would do."""
    run = snakemake(folder, "-n", "--", *TARGETS)
    assert run.returncode == 0, run.stdout + run.stderr
    jobs = jobs_of(run)
    assert jobs or "Nothing to be done" in run.stdout + run.stderr
    return jobs


def write_in_place(path, text):
    with open(path, "r+") as stream:
        stream.write(text)


def first(folder, pattern):
    return sorted(folder.glob(pattern))[0]


CHANGES = {
    "label": (lambda d: write_in_place(first(d, "ann/*.txt"), "1"), CONVERSION),
    "label inside": (lambda d: write_in_place(first(d, "ann/deep/*"), "1"), CONVERSION),
    "class list": (lambda d: write_in_place(d / "names.txt", "cow"), CONVERSION),
    "image": (lambda d: os.truncate(first(d, "images/*.jpg"), 999), CONVERSION),
    "removed inside": (lambda d: first(d, "images/deep/*").unlink(), CONVERSION),
    "groups": (lambda d: append(d / "groups.csv", "x.jpg,9\n"), ["split_dataset"]),
    "base": (lambda d: append(d / "own.py", "a = 1\n"), ["export_config"]),
    "inherited": (lambda d: append(d / "parent.py", "a = 1\n"), ["export_config"]),
}


def append(path, text):
    with open(path, "a") as stream:
        stream.write(text)


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_in_place_is_repeated(made, tmp_path, what):
    folder = shutil.copytree(made, tmp_path / "copy", copy_function=shutil.copy2)
    change, expected = CHANGES[what]
    change(folder)
    assert dry(folder) == expected


def test_what_did_not_change_is_not(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "copy", copy_function=shutil.copy2)
    assert dry(folder) == []
    for path in (*folder.glob("ann/**/*"), *folder.glob("*.*"), folder / "images"):
        os.utime(path)
    assert dry(folder) == []


def test_other_pixels_are_another_data_set_though_nothing_else_is(made, tmp_path):
    """An image is overwritten with the same size; annotations are the same bytes."""
    folder = shutil.copytree(made, tmp_path / "copy", copy_function=shutil.copy2)
    dataset = folder / "results/a/dataset"
    files = [dataset / name for name in ("annotations.json", "images.csv")]
    before = [path.read_bytes() for path in files]
    image = first(folder, "images/*.jpg")
    shutil.copyfile(first(folder, "images/deep/*"), image)
    os.truncate(image, image.stat().st_size)
    content = config()
    content["experiments"]["a"]["model"]["base"] = "own.py"
    content["experiments"]["a"]["data"]["policy"] = {"duplicate-content": "ignore"}
    write_config(folder, content)
    run = snakemake(folder, "--", *TARGETS)
    assert run.returncode == 0, run.stdout + run.stderr
    after = [path.read_bytes() for path in files]
    assert after[0] == before[0] and after[1] != before[1]
    assert dry(folder) == []
