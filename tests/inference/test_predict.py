import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pandas
import pytest

from mmdet_flow.dataset.example import HEIGHT, WIDTH
from mmdet_flow.errors import DataError, UsageError
from mmdet_flow.inference.folder import list_images, shard_of, watch
from tests.conftest import (
    BIN,
    LOW_SCORE,
    assert_valid_opex,
    command_of,
    run_command,
    the_error,
)

main = command_of("predict")


@pytest.fixture
def inbox(dataset, tmp_path):
    """A folder with three images, one of them with a capital suffix."""
    folder = tmp_path / "in"
    folder.mkdir()
    paths = sorted(dataset.images.iterdir())[:3]
    for path, name in zip(paths, ("a.jpg", "b.JPG", "c d.jpg"), strict=True):
        shutil.copy(path, folder / name)
    return folder


def predict(trained, inbox, *options) -> subprocess.CompletedProcess:
    """Run the command in this process, which has loaded torch already."""
    out = inbox.parent / "out"
    arguments = [*map(str, command(trained, inbox, out, *options))][1:]
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, "", stderr.getvalue())


def command(trained, folder, out, *options):
    return [
        *(BIN / "mmdet_predict", "--checkpoint", trained.checkpoint),
        *("--score", LOW_SCORE, "--batch_size", "2"),
        *("--prediction_in", folder, "--prediction_out", out, *options),
    ]


def names(folder):
    """Return the names in a folder, the journal aside."""
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


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
            assert item["bbox"]["right"] < WIDTH and item["bbox"]["bottom"] < HEIGHT


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


@pytest.mark.parametrize("time", ["yesterday", "1700000000000", "-1", ""])
def test_a_time_that_is_none_is_told_before_the_first_image(
    trained, inbox, monkeypatch, time
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", time)
    run = predict(trained, inbox)
    assert run.returncode == 2
    assert f"SOURCE_DATE_EPOCH={time}: is not a number of seconds" in the_error(run)
    assert len(names(inbox)) == 3 and not (inbox.parent / "out").exists()


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


@pytest.mark.parametrize("use_watchdog", [False, True])
def test_a_watch_is_stopped_soon_however_long_it_waits(tmp_path, use_watchdog):
    stop, before = threading.Event(), threading.active_count()
    looks = watch(tmp_path, 600, use_watchdog, stop)
    assert next(looks) is None
    threading.Timer(0.2, stop.set).start()
    begun = time.monotonic()
    assert list(looks) == []
    assert time.monotonic() - begun < 5
    # The observer of the file system ended, too.
    wait_for(lambda: threading.active_count() == before, 10)


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


def settled(out) -> dict[str, bytes]:
    """Return the files of a finished run."""
    files = (path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    "after",
    [
        "--keep_input",
        pytest.param("--verbose", marks=pytest.mark.slow),
        pytest.param("--delete_input", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_end(
    trained, deployed, dataset, tmp_path, after
):
    """kill -9 at several moments; the end equals that of an undisturbed run."""
    trained = replace(trained, checkpoint=deployed)
    images = sorted(dataset.images.iterdir())
    for name in ("calm", "killed"):
        for number in range(48):
            target = tmp_path / name / "in" / f"{number:02}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(images[number % len(images)], target)
        (tmp_path / name / "in" / "07.jpg").write_bytes(b"broken")
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0"}

    def start(name):
        root = tmp_path / name
        options = [after, "--max_failures", "1"]
        for table in ("objects_csv", "images_csv", "manifest", "coco_results"):
            options += [f"--{table}", str(root / "out" / table)]
        return subprocess.Popen(
            list(map(str, command(trained, root / "in", root / "out", *options))),
            env=environment,
            stderr=subprocess.DEVNULL,
        )

    assert start("calm").wait(timeout=120) == 0
    out = tmp_path / "killed" / "out"
    for done in (3, 12):
        process = start("killed")
        wait_for(lambda done=done: len(list(out.glob("*.json"))) >= done)
        process.kill()
        process.wait()
    assert not (out / "manifest").exists()
    assert start("killed").wait(timeout=120) == 0
    assert settled(out) == settled(tmp_path / "calm" / "out")
    left = settled(tmp_path / "killed" / "in")
    assert left == settled(tmp_path / "calm" / "in")
    with open(out / "manifest", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == [f"{n:02}.jpg" for n in range(48)]
    assert [row["status"] for row in rows].count("failed") == 1


def test_a_repeated_run_predicts_what_is_new_changed_or_failed(
    trained, inbox, monkeypatch
):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)  # results differ in time
    (inbox / "broken.png").write_bytes(b"broken")
    run = predict(trained, inbox, "--keep_input", "--max_failures", 1)
    assert "4 images: 3 with objects, 0 empty, 1 failed, 0 left" in run.stderr
    out = inbox.parent / "out"
    before = {name: (out / name).stat().st_mtime_ns for name in ("a.json", "b.json")}
    shutil.copy(inbox / "c d.jpg", inbox / "a.jpg")  # changed
    shutil.copy(inbox / "c d.jpg", inbox / "new.jpg")
    run = predict(trained, inbox, "--keep_input", "--max_files", 0)
    # Those that changed or failed wait, and count once.
    assert "5 images: 2 with objects, 0 empty, 0 failed, 3 left" in run.stderr
    shutil.copy(inbox / "c d.jpg", inbox / "broken.png")  # fixed
    run = predict(trained, inbox, "--keep_input")
    assert run.returncode == 0, run.stderr
    assert "2 images predicted before" in run.stderr
    assert "5 images: 5 with objects" in run.stderr
    assert (out / "b.json").stat().st_mtime_ns == before["b.json"]
    assert (out / "a.json").stat().st_mtime_ns != before["a.json"]
    assert names(out / "failed") == []
    changed = predict(trained, inbox, "--keep_input", "--simplify_polygons", 5)
    assert "predicted before" not in changed.stderr


def test_kept_images_of_two_folders_have_results_each(trained, inbox, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(inbox / "b.JPG", other / "a.jpg")
    assert predict(trained, inbox, "--keep_input").returncode == 0
    out = inbox.parent / "out"
    before = {path.name: path.read_bytes() for path in out.glob("*.json")}
    for _ in range(2):  # the second time finds its own
        assert predict(trained, other, "--keep_input").returncode == 0
        after = {path.name: path.read_bytes() for path in out.glob("*.json")}
        assert after.items() >= before.items()
        assert set(after) == {*before, "a-1.json"}
    assert objects_in(out / "a-1.json") == objects_in(out / "b.json")
    moved = shutil.move(tmp_path, tmp_path.with_name("moved"))
    run = predict(trained, moved / inbox.relative_to(tmp_path), "--keep_input")
    assert run.returncode == 0, run.stderr
    assert set(names(moved / "out")) == set(after)


def objects_in(opex):
    """Return the objects of an OPEX file."""
    return json.loads(opex.read_text())["objects"]


def test_a_kept_image_that_breaks_keeps_no_result_of_before(trained, inbox):
    assert predict(trained, inbox, "--keep_input").returncode == 0
    (inbox / "a.jpg").write_bytes(b"broken")
    run = predict(trained, inbox, "--keep_input", "--max_failures", 1)
    assert run.returncode == 0, run.stderr
    out = inbox.parent / "out"
    assert names(out) == ["b.json", "c d.json", "failed"]
    assert names(out / "failed") == ["a.jpg.txt"]


def test_the_corpus_of_bad_input_is_accounted_for(trained, inbox, tmp_path):
    """Nothing is lost, each file has its line, and the others get predictions."""
    good = (inbox / "a.jpg").read_bytes()
    for name, content in {
        "empty.jpg": b"",
        "cut.jpg": good[: len(good) // 2],
        "text.png": b"hello",
        "really-a-jpg.png": good,
        "one\nline.jpg": good,
        "grün ½.jpg": good,
        "pixel.png": cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes(),
        "strip.png": cv2.imencode(".png", np.zeros((10, 20000), np.uint8))[1].tobytes(),
        "bomb.png": cv2.imencode(".png", np.zeros((5000, 5000), np.uint8))[1].tobytes(),
        "notes.txt": b"no image",
    }.items():
        (inbox / name).write_bytes(content)
    (inbox / "folder.jpg").mkdir()
    manifest = tmp_path / "manifest.csv"
    run = predict(
        *(trained, inbox, "--keep_input", "--max_pixels", "20000000"),
        *("--manifest", manifest, "--max_failures", "9"),
    )
    assert run.returncode == 0, run.stderr
    with open(manifest, newline="") as stream:
        rows = {row["file"]: row for row in csv.DictReader(stream)}
    assert set(rows) == set(names(inbox)) - {"notes.txt"}
    failed = {name for name, row in rows.items() if row["status"] == "failed"}
    assert {"empty.jpg", "cut.jpg", "text.png", "bomb.png", "folder.jpg"} <= failed
    assert failed <= {"empty.jpg", "cut.jpg", "text.png", "bomb.png", "folder.jpg",
                      "strip.png", "pixel.png"}  # fmt: skip
    assert all(rows[name]["error"] for name in failed)
    for name in set(rows) - failed:
        opex = inbox.parent / "out" / f"{os.path.splitext(name)[0]}.json"
        assert_valid_opex(opex.read_text())


def test_two_images_of_one_stem_keep_both_results(trained, inbox):
    shutil.copy(inbox / "a.jpg", inbox / "a.png")
    run = predict(trained, inbox, "--keep_input", "--prediction_format", "both")
    assert run.returncode == 0, run.stderr
    out = inbox.parent / "out"
    assert {"a.json", "a-1.json"} <= set(names(out))
    # What is kept is still called as it was, and is found under that name.
    contents = [json.loads(path.read_text()) for path in out.glob("*.json")]
    assert sorted(one["id"] for one in contents) == names(inbox)
    (row, *_) = csv.DictReader((out / "a-1-rois.csv").open(newline=""))
    assert row["file"] == json.loads((out / "a-1.json").read_text())["id"]


def test_a_second_process_is_refused(trained, inbox):
    from mmdet_flow.inference.folder import only_process

    with only_process(inbox):
        run = predict(trained, inbox)
    assert run.returncode == 3
    assert "another process predicts here" in the_error(run)
    assert len(names(inbox)) == 3


def test_a_folder_that_cannot_be_made_is_named(trained, inbox):
    (inbox.parent / "out").write_text("a file")
    run = predict(trained, inbox)
    assert run.returncode == 3
    assert "out: cannot be made" in the_error(run)
    assert len(names(inbox)) == 3


def test_a_full_disk_loses_nothing(trained, inbox, monkeypatch):
    """The error ends the run; what was not written stays where it was."""
    from mmdet_flow.inference import output

    def no_space(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output, "write_if_changed", no_space)
    run = predict(trained, inbox)
    assert run.returncode == 3 and "No space left" in the_error(run)
    assert len(names(inbox)) == 3


def test_all_formats_of_results(trained, inbox):
    out = inbox.parent / "out"
    run = predict(
        *(trained, inbox, "--keep_input", "--prediction_format", "rois"),
        *("--output_minrect", "--output_width_height", "--output_mask_image"),
        *("--output_overlay", "--coco_results", out / "coco.json"),
        *("--objects_csv", out / "objects.parquet", "--mask_nth", "2"),
        *("--mask_threshold", "0.1", "--view_margin", "2", "--fully_connected", "low"),
    )
    assert run.returncode == 0, run.stderr
    rows = list(csv.DictReader((out / "a-rois.csv").open(newline="")))
    assert rows and "minrect_w" in rows[0] and "w" in rows[0]
    picture = cv2.imread(str(out / "a-mask.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (HEIGHT, WIDTH) and picture.max() <= 3
    assert cv2.imread(str(out / "a-overlay.jpg")).shape == (HEIGHT, WIDTH, 3)
    objects = pandas.read_parquet(out / "objects.parquet")
    coco = json.loads((out / "coco.json").read_text())
    assert len(objects) == len(coco) > 0
    assert {row["image_id"] for row in coco} <= {"a", "b", "c d"}
    assert all(row["segmentation"]["counts"] for row in coco)


def test_a_run_without_images_is_one_of_none(trained, tmp_path):
    (tmp_path / "in").mkdir()
    for options in ([], ["--keep_input"], ["--max_files", "0"]):
        table = tmp_path / "images.csv"
        run = predict(trained, tmp_path / "in", "--images_csv", table, *options)
        assert run.returncode == 0, run.stderr
        assert "0 images: 0 with objects, 0 empty, 0 failed, 0 left" in run.stderr
        assert len(table.read_text().splitlines()) == 1


def test_max_files(trained, inbox):
    run = predict(trained, inbox, "--keep_input", "--max_files", "0")
    assert "0 with objects, 0 empty, 0 failed, 3 left" in run.stderr
    run = predict(trained, inbox, "--keep_input", "--max_files", "2")
    assert "2 with objects, 0 empty, 0 failed, 1 left" in run.stderr
    run = predict(trained, inbox, "--keep_input")
    assert "2 images predicted before" in run.stderr


def test_lists_hold_any_name_and_each_image_once(tmp_path):
    from mmdet_flow.inference.shard import shard

    folder = tmp_path / "in"
    folder.mkdir()
    expected = ["a.jpg", 'b "c".jpg', "one\nline.jpg", "é.jpg", " space .jpg"]
    for name in expected:
        (folder / name).touch()
    assert shard(folder, None, 2, tmp_path / "lists") == 3
    read = []
    for number in range(3):
        read += list_images(folder, tmp_path / "lists" / f"{number}.txt")
    assert [path.name for path in read] == sorted(expected)


def test_a_list_may_name_folders_but_each_name_once(tmp_path):
    listing, folder = tmp_path / "list.txt", tmp_path / "in"
    folder.mkdir()
    listing.write_text(f"s1/a.jpg\n./s1/a.jpg\n{folder}/s2/b.jpg\n")
    found = [folder / "s1" / "a.jpg", folder / "s2" / "b.jpg"]
    assert list_images(folder, listing) == found
    listing.write_text("s1/b.jpg\ns2/b.jpg\n")
    with pytest.raises(DataError, match=r"s1/b.jpg and .*s2/b.jpg have one name"):
        list_images(folder, listing)


@pytest.mark.parametrize("name", ["/elsewhere/a.jpg", "../a.jpg"])
def test_a_list_may_not_leave_its_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "list.txt").write_text(f"{name}\n")
    run = run_command(
        *(
            "mmdet-flow step shard",
            tmp_path / "in",
            "--image-list",
            tmp_path / "list.txt",
        ),
        *("--output", tmp_path / "lists"),
    )
    assert run.returncode == 3
    assert f"list.txt: {name} is not in {tmp_path / 'in'}" in the_error(run)


def test_shards_are_all_images_once():
    images = list(range(10))
    parts = [shard_of(images, f"{k}/3") for k in range(3)]
    assert [image for part in parts for image in part] == images
    assert {len(part) for part in parts} == {3, 4}
    with pytest.raises(UsageError, match="from 0 to N-1"):
        shard_of(images, "3/3")


def test_speed_is_that_of_the_images_of_this_run(trained, inbox):
    speed = inbox.parent / "speed.json"
    options = ("--keep_input", "--speed", speed)
    assert predict(trained, inbox, *options).returncode == 0
    first = json.loads(speed.read_text())
    assert first["images"] == 3 and first["seconds"] > 0
    assert first["engine"] in ("openvino fp32", "torch fp32")
    assert predict(trained, inbox, *options).returncode == 0
    assert json.loads(speed.read_text())["images"] == 0
    run = predict(trained, inbox, "--continuous", "--speed", speed)
    assert run.returncode == 2 and "--continuous has none" in run.stderr
