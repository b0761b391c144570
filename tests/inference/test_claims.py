"""No file of others is replaced, and an image is its content, not its name."""

import errno
import hashlib
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.files import keep_apart
from mmdet_flow.images import decode, read_file
from mmdet_flow.inference.folder import watch
from mmdet_flow.inference.journal import Journal, Outcome
from mmdet_flow.inference.output import Output
from mmdet_flow.inference.shard import shard

SUFFIXES = {"opex": ".json", "mask": "-mask.png", "overlay": "-overlay.jpg"}


def places(tmp_path, *names) -> tuple[Path, Output, Journal]:
    inbox, out = tmp_path / "in", tmp_path / "out"
    for folder in (inbox, out):
        folder.mkdir(exist_ok=True)
    for name in names:
        (inbox / name).write_text(name)
    return inbox, Output(out, SUFFIXES), Journal(out, None)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("turn", [1, -1])
def test_no_image_needs_a_file_of_another(tmp_path, turn):
    names = ["a.png", "a.jpg", "A.bmp", "a-mask.png", "a-overlay.jpg", "a-1.png"][
        ::turn
    ]
    inbox, output, journal = places(tmp_path, *names)
    (output.folder / "a-2.json").write_text("of another")
    for name in names:
        output.claim(inbox / name, sha256(inbox / name), journal)
    files = [
        file
        for name in names
        for file in journal.claim_of(name, sha256(inbox / name)).files
    ]
    assert len({file.casefold() for file in files}) == len(files)
    assert "a-2.json" not in files


def test_a_name_that_is_used_again_is_another_image(tmp_path):
    inbox, output, journal = places(tmp_path, "a.png")
    first = sha256(inbox / "a.png")
    assert output.claim(inbox / "a.png", first, journal) == "a.png"
    journal.add(Outcome("a.png", "a.png", first, status="ok"))
    (inbox / "a.png").write_text("another")
    again = Journal(output.folder, None)
    assert output.claim(inbox / "a.png", first, again) == "a.png"
    assert output.claim(inbox / "a.png", "other", again) == "a-1.png"
    assert again.get("a.png", first).status == "ok"
    assert again.get("a.png", "other") is None


def test_what_changed_since_it_was_read_stays(tmp_path):
    inbox, output, journal = places(tmp_path, "a.png")
    content, seen = read_file(inbox / "a.png")
    outcome = Outcome("a.png", "a.png", hashlib.sha256(content).hexdigest())
    (inbox / "a.png").write_text("newer")
    output.finish(inbox / "a.png", seen, outcome)
    output.finish_failed(inbox / "a.png", seen, outcome, journal)
    assert (inbox / "a.png").read_text() == "newer"
    assert not (output.folder / "a.png").exists()


def test_reasons_and_failed_images_replace_nothing(tmp_path):
    inbox, output, journal = places(tmp_path, "x.png", "x.png.txt")
    shutil.copytree(inbox, output.failed)
    (output.failed / "x.png.txt").write_text("a note")
    content, seen = read_file(inbox / "x.png")
    outcome = Outcome("x.png", "x.png", hashlib.sha256(content).hexdigest())
    output.finish_failed(inbox / "x.png", seen, outcome, journal)
    assert (output.failed / "x.png.txt").read_text() == "a note"
    assert (output.failed / "x-1.png").read_bytes() == content


def test_a_name_too_long_is_told(tmp_path):
    name = "n" * 251 + ".png"
    inbox, output, journal = places(tmp_path, name)
    with pytest.raises(DataError, match="too long"):
        output.claim(inbox / name, "1", journal)
    outcome = Outcome(name, name, error="too long")
    output.finish_failed(inbox / name, None, outcome, journal)
    assert len(os.listdir(output.failed)) == 1 and (inbox / name).exists()


def test_only_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "album.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nothing.png").symlink_to("gone.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    for path in tmp_path.iterdir():
        with pytest.raises(DataError, match="png: "):
            read_file(path)
    stop = threading.Event()
    looks = watch(tmp_path, 0.01, False, stop)
    offered = []
    for _ in range(20):
        if path := next(looks):
            offered.append(path.name)
    assert sorted(offered) == sorted(os.listdir(tmp_path)), "each once"


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.95])
def test_a_jpeg_cut_before_its_end_mark_is_refused(progressive, fraction):
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    whole = cv2.imencode(".jpg", noise, options)[1].tobytes()
    grey = cv2.imencode(".jpg", np.full_like(noise, 128), options)[1].tobytes()
    assert decode(whole).shape == decode(grey).shape == noise.shape
    with pytest.raises(DataError, match="lacks pixels"):
        decode(whole[: int(len(whole) * fraction)] + b"\xff\xd9")


def test_lists_replace_only_lists(tmp_path):
    photos, lists = tmp_path / "photos", tmp_path / "lists"
    photos.mkdir()
    (photos / "a.jpg").touch()
    (tmp_path / "link").symlink_to(photos)
    for output in (photos, photos / "lists", tmp_path, tmp_path / "link"):
        with pytest.raises(UsageError, match="choose a folder apart"):
            shard(photos, None, 1, output)
    lists.mkdir()
    (lists / "0.txt").write_text("labels")
    with pytest.raises(DataError, match="did not make"):
        shard(photos, None, 1, lists)
    assert (lists / "0.txt").read_text() == "labels" and (photos / "a.jpg").exists()
    for _ in range(2):
        assert shard(photos, None, 1, tmp_path / "new") == 1


def test_folders_that_overlap_are_refused(tmp_path):
    (tmp_path / "data" / "images").mkdir(parents=True)
    for output in ("data", "data/images", "data/images/out"):
        with pytest.raises(UsageError, match="apart"):
            keep_apart(tmp_path / output, tmp_path / "data" / "images")
    keep_apart(tmp_path / "data" / "other", tmp_path / "data" / "images")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EBUSY])
@pytest.mark.parametrize("after", ["move", "delete"])
def test_an_image_that_cannot_be_taken_away_stays(tmp_path, monkeypatch, number, after):
    inbox, output, _ = places(tmp_path, "a.png")
    output = replace(output, after=after)
    content, seen = read_file(inbox / "a.png")
    outcome = Outcome("a.png", "a.png", hashlib.sha256(content).hexdigest())

    def refuse(*args, **options):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        patch.setattr(os, "unlink", refuse)
        patch.setattr(Path, "unlink", refuse)
        output.finish(inbox / "a.png", seen, outcome)
    assert (inbox / "a.png").read_bytes() == content
    assert not (output.folder / "a.png").exists()
