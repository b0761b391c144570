"""Files of large images through mmdet-flow predict, with a trained segmenter."""

import json
import re

import cv2
import numpy as np
import pytest
import tifffile

from mmdet_flow.dataset.example import HEIGHT, WIDTH
from mmdet_flow.images import read_image
from tests.conftest import LOW_SCORE, command_of
from tests.handover.conftest import run as run
from tests.handover.test_package import main as pack

main = command_of("predict")
SIZE = 200


@pytest.fixture(scope="module")
def slide(dataset) -> np.ndarray:
    """Six images of the example as one."""
    paths = sorted(dataset.images.iterdir())[:6]
    pictures = [cv2.resize(read_image(path)[1], (WIDTH, HEIGHT)) for path in paths]
    return cv2.vconcat([cv2.hconcat(pictures[:3]), cv2.hconcat(pictures[3:])])


@pytest.fixture
def folder(slide, tmp_path):
    """A folder with the slide as PNG."""
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "slide.png"), slide)
    return tmp_path / "in"


def predict(model, folder, out, *options) -> int:
    arguments = [*model, "--prediction_in", folder, "--prediction_out", out]
    arguments += ["--keep_input", "--score", LOW_SCORE, "--threads", "2", *options]
    return main(list(map(str, arguments)))


def opex_of(out) -> dict:
    (path,) = (path for path in out.glob("*.json") if not path.name.startswith("."))
    return json.loads(path.read_text())


def of_checkpoint(trained):
    return "--checkpoint", trained.checkpoint


def test_tiles_find_more_and_say_so(trained, folder, tmp_path):
    for name, options in (("whole", ()), ("tiles", ("--tile_size", SIZE))):
        assert predict(of_checkpoint(trained), folder, tmp_path / name, *options) == 0
    whole, tiles = opex_of(tmp_path / "whole"), opex_of(tmp_path / "tiles")
    assert tiles["meta"]["tiles"] == "200 px, overlap 0.2"
    assert "tiles" not in whole["meta"]
    assert len(tiles["objects"]) > len(whole["objects"]) > 0
    for item in tiles["objects"]:
        assert item["bbox"]["right"] < 3 * WIDTH and item["bbox"]["bottom"] < 2 * HEIGHT


def test_neither_batches_nor_threads_change_a_byte(
    trained, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    again = ("--tile_size", SIZE, "--batch_size", 1, "--threads", 1)
    for name, options in (("one", ("--tile_size", SIZE)), ("two", again)):
        assert predict(of_checkpoint(trained), folder, tmp_path / name, *options) == 0
    one, two = (
        (tmp_path / name / "slide.json").read_bytes() for name in ("one", "two")
    )
    assert one == two


def test_a_tiff_too_large_to_unpack_is_read_by_windows(
    trained, folder, slide, tmp_path
):
    options = ("--tile_size", SIZE, "--coco_results")
    whole = tmp_path / "whole"
    assert (
        predict(of_checkpoint(trained), folder, whole, *options, whole / "r.json") == 0
    )
    large = tmp_path / "large"
    large.mkdir()
    tifffile.imwrite(
        large / "slide.tif",
        slide[..., ::-1],
        **{"photometric": "rgb", "tile": (64, 64), "compression": "zlib"},
    )
    windows = tmp_path / "windows"
    few = ("--max_pixels", SIZE * SIZE, *options, windows / "r.json")
    assert predict(of_checkpoint(trained), large, windows, *few) == 0
    results = [json.loads((out / "r.json").read_text()) for out in (whole, windows)]
    assert results[0] == results[1] and len(results[0]) > 0
    # Once more: the same file is known, though it was never read whole.
    seen = (windows / "slide.json").stat().st_mtime_ns
    assert predict(of_checkpoint(trained), large, windows, *few) == 0
    assert (windows / "slide.json").stat().st_mtime_ns == seen


def test_without_tiles_and_for_an_overlay_large_images_are_refused(
    trained, folder, slide, tmp_path
):
    tifffile.imwrite(folder / "slide.tif", slide, photometric="rgb", tile=(64, 64))
    (folder / "slide.png").unlink()
    for options, reason in (
        ((), "more than max_pixels 40000"),
        (("--tile_size", SIZE, "--output_overlay"), "too large for --output_overlay"),
        (
            ("--tile_size", SIZE, "--tile_full_image"),
            "too large to be seen as a whole; leave out the full image",
        ),
    ):
        out = tmp_path / f"out{len(options)}{options[-1:] or ''}"
        limited = ("--max_pixels", SIZE * SIZE, *options)
        assert predict(of_checkpoint(trained), folder, out, *limited) != 0
        assert reason in (out / "failed" / "slide.tif.txt").read_text()


def test_a_damaged_tile_and_too_many_of_them_are_said_as_what_they_are(
    trained, folder, slide, tmp_path, monkeypatch
):
    """And the image beside it in the batch is predicted."""
    path = folder / "damaged.tif"
    tifffile.imwrite(path, slide, photometric="rgb", tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        at, count = (
            getattr(file.pages[0], name)[-1]
            for name in ("dataoffsets", "databytecounts")
        )
    content = path.read_bytes()
    path.write_bytes(content[:at] + bytes(count) + content[at + count :])
    cv2.imwrite(str(folder / "small.png"), slide[:SIZE, :SIZE])
    limited = ("--max_pixels", SIZE * SIZE, "--tile_size", SIZE)
    (folder / "slide.png").unlink()
    assert predict(of_checkpoint(trained), folder, tmp_path / "a", *limited) == 3
    reason = (tmp_path / "a" / "failed" / "damaged.tif.txt").read_text()
    assert re.fullmatch(
        r"damaged\.tif: its pixels cannot be read at row \d+, column \d+: .+; copy "
        r"the file again\n",
        reason,
    )
    assert (tmp_path / "a" / "small.json").is_file()
    monkeypatch.setattr("mmdet_flow.tiles.MOST", 4)
    assert predict(of_checkpoint(trained), folder, tmp_path / "b", *limited) == 3
    reason = (tmp_path / "b" / "failed" / "damaged.tif.txt").read_text()
    assert reason.startswith("damaged.tif: tile size 200: an image of ")
    assert (tmp_path / "b" / "small.json").is_file()


def test_a_package_says_how_its_images_are_divided(run, folder, tmp_path, caplog):
    package = tmp_path / "model.zip"
    tiles = ("--tile-size", SIZE, "--tile-overlap", 0.5)
    assert pack([str(run), "--output", str(package), *map(str, tiles)]) == 0
    for name, options, said in (
        ("own", (), "200 px, overlap 0.5"),
        ("other", ("--tile_overlap", 0.1), "200 px, overlap 0.1"),
        ("none", ("--tile_size", 0), None),
    ):
        assert predict(("--package", package), folder, tmp_path / name, *options) == 0
        assert opex_of(tmp_path / name)["meta"].get("tiles") == said


def test_tiles_without_a_size_are_one_line(trained, folder, tmp_path, capsys):
    for none in ((), ("--tile_size", 0)):
        options = (*none, "--tile_overlap", 0.1)
        assert predict(of_checkpoint(trained), folder, tmp_path, *options) == 2
        assert "the tile overlap goes with a tile size" in capsys.readouterr().err
