import csv
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from mmdet_flow.errors import UsageError
from mmdet_flow.inference.predict import shard_of
from tests.conftest import BIN, LOW_SCORE, assert_valid_opex, run_command, the_error


@pytest.fixture
def inbox(dataset, tmp_path):
    """A folder with three images, one of them with a capital suffix."""
    folder = tmp_path / "in"
    folder.mkdir()
    paths = sorted(dataset.images.iterdir())[:3]
    for path, name in zip(paths, ("a.jpg", "b.JPG", "c d.jpg"), strict=True):
        shutil.copy(path, folder / name)
    return folder


def predict(trained, inbox, *options):
    return run_command(
        *("mmdet_predict", "--checkpoint", trained.checkpoint, "--score", LOW_SCORE),
        *("--prediction_in", inbox, "--prediction_out", inbox.parent / "out", *options),
    )


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_images_move_beside_their_predictions(trained, inbox):
    run = predict(trained, inbox)
    assert run.returncode == 0, run.stderr
    out = inbox.parent / "out"
    assert names(inbox) == []
    assert names(out) == [
        *("a.jpg", "a.json", "b.JPG", "b.json", "c d.jpg", "c d.json"),
    ]
    for path in out.glob("*.json"):
        content = assert_valid_opex(path.read_text())
        assert (out / content["id"]).is_file()
        assert content["objects"], "the model finds something at this score"
        for item in content["objects"]:
            assert item["bbox"]["right"] < 320 and item["bbox"]["bottom"] < 240


def test_tables_agree_with_the_opex_files(trained, inbox):
    out = inbox.parent / "out"
    run = predict(
        *(trained, inbox, "--keep_input", "--prediction_format", "both"),
        *("--objects_csv", out / "objects.csv", "--images_csv", out / "images.csv"),
    )
    assert run.returncode == 0, run.stderr
    assert len(names(inbox)) == 3
    with open(out / "objects.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(out / "images.csv", newline="") as stream:
        images = {row["file"]: row for row in csv.DictReader(stream)}
    total = 0
    for path in sorted(out.glob("*.json")):
        content = json.loads(path.read_text())
        mine = [row for row in rows if row["file"] == content["id"]]
        boxes = [
            tuple(int(row[key]) for key in ("x0", "y0", "x1", "y1")) for row in mine
        ]
        assert boxes == [
            tuple(item["bbox"][key] for key in ("left", "top", "right", "bottom"))
            for item in content["objects"]
        ]
        assert int(images[content["id"]]["n_objects"]) == len(mine)
        total += len(mine)
        roi_lines = (out / f"{path.stem}-rois.csv").read_bytes().split(b"\r\n")
        assert len(roi_lines) == len(mine) + 2
    assert total == len(rows) > 0


def test_a_broken_image_fails_alone(trained, inbox):
    (inbox / "a.jpg").write_bytes(b"broken")
    run = predict(trained, inbox)
    assert run.returncode == 3
    assert "1 of 3 images failed" in the_error(run)
    out = inbox.parent / "out"
    assert names(out / "failed") == ["a.jpg", "a.jpg.txt"]
    assert "cannot be decoded" in (out / "failed" / "a.jpg.txt").read_text()
    assert (out / "b.json").is_file() and not (out / "a.json").exists()


def test_failures_can_be_allowed_and_are_in_the_table(trained, inbox):
    (inbox / "a.jpg").write_bytes(b"broken")
    tables = [inbox.parent / "o.csv", inbox.parent / "i.csv"]
    run = predict(
        *(trained, inbox, "--max_failures", 1, "--keep_input"),
        *("--objects_csv", tables[0], "--images_csv", tables[1]),
    )
    assert run.returncode == 0, run.stderr
    with open(tables[1], newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert rows["a.jpg"]["status"] == "failed"
    assert "cannot be decoded" in rows["a.jpg"]["error"]
    assert rows["b.JPG"]["status"] == "ok"


def test_inputs_can_be_deleted_and_results_made_elsewhere(trained, inbox):
    tmp = inbox.parent / "tmp"
    run = predict(trained, inbox, "--delete_input", "--prediction_tmp", tmp)
    assert run.returncode == 0, run.stderr
    assert names(inbox) == [] and names(tmp) == []
    assert names(inbox.parent / "out") == ["a.json", "b.json", "c d.json"]


def test_nothing_is_overwritten(trained, inbox):
    out = inbox.parent / "out"
    out.mkdir()
    (out / "a.json").write_text("earlier")
    run = predict(trained, inbox)
    assert run.returncode == 0, run.stderr
    assert (out / "a.json").read_text() == "earlier"
    assert json.loads((out / "a-1.json").read_text())["id"] == "a-1.jpg"


def test_a_list_and_the_clock(trained, inbox, monkeypatch):
    (inbox.parent / "list.txt").write_text("c d.jpg\n")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    run = predict(
        trained, inbox, "--keep_input", "--image_list", inbox.parent / "list.txt"
    )
    assert run.returncode == 0, run.stderr
    out = inbox.parent / "out"
    assert names(out) == ["c d.json"]
    content = json.loads((out / "c d.json").read_text())
    assert content["timestamp"] == "19700101_000000.000000"


def test_images_that_arrive_later(trained, inbox):
    """Half-written files are waited for, and SIGTERM ends the watch."""
    out = inbox.parent / "out"
    content = (inbox / "a.jpg").read_bytes()
    process = subprocess.Popen(
        [
            *(BIN / "mmdet_predict", "--checkpoint", trained.checkpoint),
            *("--prediction_in", inbox, "--prediction_out", out, "--continuous"),
            *("--use_watchdog", "--watchdog_check_interval", "1"),
        ],
        stderr=subprocess.PIPE,
    )
    try:
        wait_for(lambda: (out / "c d.json").exists())
        with open(inbox / "late.jpg", "wb") as stream:
            stream.write(content[:1000])
            stream.flush()
            time.sleep(0.3)
            stream.write(content[1000:])
        wait_for(lambda: (out / "late.json").exists())
        assert not (out / "failed").exists()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
    assert code == 0


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_a_missing_folder_is_told_before_the_model_is_loaded(trained, tmp_path):
    run = predict(trained, tmp_path / "nowhere")
    assert run.returncode == 3
    assert "nowhere: there is no such folder" in the_error(run)
    assert os.listdir(tmp_path) == []


def test_shards_are_all_images_once():
    images = list(range(10))
    parts = [shard_of(images, f"{k}/3") for k in range(3)]
    assert [image for part in parts for image in part] == images
    assert {len(part) for part in parts} == {3, 4}
    with pytest.raises(UsageError, match="from 0 to N-1"):
        shard_of(images, "3/3")
