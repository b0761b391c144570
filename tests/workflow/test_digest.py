"""What tells two states of files apart, and what does not."""

import os
import shutil

import pytest

from mmdet_flow.inference.folder import listed
from mmdet_flow.workflow import digest

PICTURE, LABEL = b"a picture, for all that is known", "0 0.5 0.5 0.2 0.2\n"


@pytest.fixture
def data(tmp_path):
    """Annotations and images in folders of their own, and some inside of folders."""
    for name in ("a", "b", "deep/c"):
        for folder, end in (("ann", "txt"), ("images", "png")):
            path = tmp_path / "set" / folder / f"{name}.{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(PICTURE if end == "png" else LABEL.encode())
    (tmp_path / "set/data.yaml").write_text("names: [cat, dog]")
    return tmp_path / "set"


def state(data) -> tuple[str, str]:
    """Return the digests as the next run of Snakemake finds them."""
    digest._content.cache_clear()
    return digest.of_annotations(data / "ann"), digest.of_images(data / "images")


def rewrite(path, content, keep_time=False):
    """Write a file in place, as editors do."""
    before = path.stat()
    with open(path, "r+b") as stream:
        stream.write(content)
    seconds = before.st_mtime_ns + (0 if keep_time else 10**6)
    os.utime(path, ns=(before.st_atime_ns, seconds))


def swap(left, right):
    os.utime(right, ns=(0, 5))
    left.rename(left.with_suffix(".away"))
    right.rename(left)
    left.with_suffix(".away").rename(right)


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        (0, lambda d: rewrite(d / "ann/a.txt", b"1", keep_time=True)),
        (0, lambda d: rewrite(d / "ann/deep/c.txt", b"1")),
        (0, lambda d: (d / "ann/deep/c.txt").unlink()),
        (0, lambda d: (d / "ann/deep/new.txt").write_text(LABEL)),
        (0, lambda d: (d / "ann/classes.txt").write_text("cat")),
        (0, lambda d: rewrite(d / "data.yaml", b"names: [cow", keep_time=True)),
        (0, lambda d: (d / "obj.names").write_text("cat")),
        (0, lambda d: (d / "schema.json").write_text("{}")),
        (0, lambda d: (d / "class-descriptions-boxable.csv").write_text("/m/1,cat")),
        (1, lambda d: rewrite(d / "images/a.png", b"b")),
        (1, lambda d: rewrite(d / "images/deep/c.png", b"b")),
        (1, lambda d: os.truncate(d / "images/a.png", 5)),
        (1, lambda d: (d / "images/deep/c.png").unlink()),
        (1, lambda d: shutil.copy(d / "images/a.png", d / "images/deep/e.png")),
        (1, lambda d: (d / "images/a.png").rename(d / "images/deep/a.png")),
        (1, lambda d: swap(d / "images/a.png", d / "images/b.png")),
    ],
)
def test_what_changes_is_seen_and_where(data, changed, change):
    before = state(data)
    change(data)
    after = state(data)
    assert after[changed] != before[changed]
    assert after[1 - changed] == before[1 - changed]


def test_a_copy_with_other_times_is_the_same(data, tmp_path):
    before = state(data)
    for path in data.rglob("*.txt"):
        os.utime(path, ns=(1, 1))
    os.utime(data / "images", ns=(1, 1))
    (data / "images/.DS_Store").write_text("of a file manager")
    (data / "ann/.git").mkdir()
    (data / "ann/.git/index").write_text("of a checkout")
    (data / "config.yaml").write_text("of the workflow")
    assert state(data) == before
    shutil.copytree(data, tmp_path / "elsewhere")  # keeps the times of images
    assert state(tmp_path / "elsewhere") == before


def test_what_the_workflow_makes_among_the_data_is_no_change(data):
    results = data / "images/results"
    before = digest.of_images(data / "images", [results])
    (results / "x").mkdir(parents=True)
    (results / "x/plot.png").write_bytes(PICTURE)
    assert digest.of_images(data / "images", [results]) == before
    assert digest.of_images(data / "images") != before


def test_what_cannot_be_read_is_a_state_too(data):
    before = state(data)
    (data / "ann/a.txt").unlink()
    (data / "ann/a.txt").symlink_to("nowhere")
    os.mkfifo(data / "ann/pipe.txt")
    (data / os.fsdecode(b"ann/\xff.txt")).write_text(LABEL)
    assert state(data)[0] != before[0]
    with pytest.raises(FileNotFoundError):
        digest.of_annotations(data / "none")
    with pytest.raises(FileNotFoundError):
        digest.of_images(data / "none")


def test_a_file_of_annotations_counts_by_its_content(data):
    file = data / "coco.json"
    file.write_text("{}")
    before = digest.of_annotations(file)
    os.utime(file, ns=(1, 1))
    assert digest.of_annotations(file) == before
    rewrite(file, b"[]", keep_time=True)
    digest._content.cache_clear()  # as in the next run
    assert digest.of_annotations(file) != before


def test_only_the_shard_of_an_image_changes(tmp_path):
    images, lists = tmp_path / "images", tmp_path / "lists"
    images.mkdir(), lists.mkdir()
    for number in range(4):
        (images / f"{number}.png").write_bytes(PICTURE)
    (lists / "0.txt").write_text("0.png\n1.png\n")
    odd = os.fsdecode(b' 2\xff"\n.png')
    (images / odd).write_bytes(PICTURE)
    (lists / "1.txt").write_text(f"{listed(odd)}\n2.png\n3.png\n")

    def shards():
        return [digest.of_listed(images, lists / f"{n}.txt") for n in (0, 1)]

    names, before = digest.of_names(images), shards()
    rewrite(images / "2.png", b"b")
    assert digest.of_names(images) == names
    after = shards()
    assert after[0] == before[0] and after[1] != before[1]
    rewrite(images / odd, b"b")
    assert shards()[0] == before[0] and shards()[1] != after[1]
    after = shards()
    (images / "3.png").unlink()
    assert digest.of_names(images) != names
    assert shards()[1] != after[1]


CONFIGS = {
    "own.py": "_base_ = ['bases/model.py', 'mmdet::x/y.py']\nlr = 1\n",
    "bases/model.py": "_base_ = './data.py'\n",
    "bases/data.py": "batch = 2\n",
    "bases/plain.json": '{"_base_": "more.yaml"}',
    "bases/more.yaml": "a: 1\n",
    "lazy.py": "with read_base():\n    from .bases.model import *\n"
    "    from .bases import other\n",
    "bases/other.py": "_base_ = 'plain.json'\n",
}


@pytest.mark.parametrize(
    ("config", "changed", "seen"),
    [
        ("own.py", "own.py", True),
        ("own.py", "bases/model.py", True),
        ("own.py", "bases/data.py", True),
        ("own.py", "bases/other.py", False),
        ("lazy.py", "bases/data.py", True),
        ("lazy.py", "bases/other.py", True),
        ("lazy.py", "bases/more.yaml", True),
    ],
)
def test_a_config_counts_with_what_it_inherits(tmp_path, config, changed, seen):
    for name, text in CONFIGS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    before = digest.of_config(tmp_path / config)
    with open(tmp_path / changed, "a") as stream:
        stream.write("\n")
    assert (digest.of_config(tmp_path / config) != before) == seen


@pytest.mark.parametrize("text", ["_base_ = (", "_base_ = './self.py'", "\0"])
def test_a_config_that_is_none_or_its_own_base_has_a_digest(tmp_path, text):
    (tmp_path / "self.py").write_text(text)
    assert len(digest.of_config(tmp_path / "self.py")) == 64
