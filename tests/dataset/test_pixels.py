"""Check, conversion, training, prediction and service see the same pixels."""

import io
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Rules
from mmdet_flow.dataset.convert import convert
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.pixels import read_outside, read_pixels, read_size, save_as_png
from mmdet_flow.errors import DataError
from mmdet_flow.images import decode, read_image
from tests.conftest import ROOT
from tests.dataset.image_kinds import HEIGHT, KINDS, PICTURE, WIDTH, Kind, bgr
from tests.dataset.test_check import check_voc
from tests.dataset.voc_data import make_voc, voc_xml

SEEN = {name: kind for name, kind in KINDS.items() if kind.seen is not None}
TAKE_ALL = Policy(
    {
        "unsupported-image": "repair",
        "rotated-image": "ignore",
        "unused-bits": "ignore",
        "unreadable-image": "drop",
    }
)
"""The annotation is for what training sees, and nothing else is asked for."""

TURNED_OVER = "exif 3.webp"
"""Viewers turn it, training does not, and its size does not tell which is meant: to
ignore that is to say that the boxes are for what viewers show."""


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> SimpleNamespace:
    """All kinds, and what they became in a data set that annotates what is seen."""
    root = tmp_path_factory.mktemp("kinds")
    source = root / "source"
    source.mkdir()
    images = []
    for number, (name, kind) in enumerate(KINDS.items()):
        # Names of images are told apart without their suffix.
        file = source / f"{number:03}{Path(name).suffix}"
        file.write_bytes(kind.encoded)
        height, width = (HEIGHT, WIDTH) if kind.seen is None else kind.seen.shape[:2]
        size = {"width": width, "height": height}
        images.append({"id": number, "file_name": file.name, **size})
    content = {"images": images, "annotations": [], "categories": []}
    (root / "coco.json").write_text(json.dumps(content))
    rules = Rules(["cat"], TAKE_ALL)
    convert("coco", Source(root / "coco.json", source), root / "out", rules)
    files = {
        name: SimpleNamespace(
            source=source / image["file_name"],
            result=next((root / "out/images").glob(f"{number:03}.*"), None),
        )
        for number, (name, image) in enumerate(zip(KINDS, images, strict=True))
    }
    report = json.loads((root / "out/report.json").read_text())
    return SimpleNamespace(files=files, report=report)


def by_training(path: Path) -> np.ndarray:
    from mmdet.registry import TRANSFORMS
    from mmengine.registry import init_default_scope

    import mmdet_flow.model.runner  # noqa: F401  as a training imports it

    init_default_scope("mmdet")
    step = TRANSFORMS.build({"type": "LoadImageFromFile", "backend_args": None})
    return step({"img_path": str(path)})["img"]


def by_prediction(path: Path) -> np.ndarray:
    from mmdet_flow.inference.runner import Runner

    predictor = SimpleNamespace(takes_windows=False)
    runner = SimpleNamespace(max_pixels=10**6, predictor=predictor)
    return Runner._load(runner, path).pixels


def by_the_service(path: Path) -> np.ndarray:
    from mmdet_flow.serving.inbox import Request
    from mmdet_flow.serving.worker import _decode

    return _decode(Request(path.read_bytes()), 10**6).pixels


@pytest.mark.parametrize("name", SEEN)
def test_all_see_the_same_pixels(converted, name):
    kind, files = SEEN[name], converted.files[name]
    expected = decode(kind.encoded)
    assert expected.shape == kind.seen.shape
    assert np.abs(expected.astype(int) - kind.seen).max() <= kind.tolerance
    if not kind.tolerance:
        assert np.array_equal(expected, kind.seen)
    width, height = read_pixels(files.source).sizes["seen"]
    assert (height, width) == expected.shape[:2]
    result = expected[::-1, ::-1] if name == TURNED_OVER else expected
    for path, pixels in ((files.source, expected), (files.result, result)):
        for load in (by_training, by_prediction, by_the_service):
            assert np.array_equal(load(path), pixels), (load, path.name)
        assert np.array_equal(read_image(path)[1], pixels)


@pytest.mark.parametrize("name", sorted(KINDS.keys() - SEEN.keys()))
def test_what_is_not_decoded_is_found_by_the_check(converted, name):
    files = converted.files[name]
    found = [
        (one["check"], one["what"])
        for one in converted.report["findings"]
        if one["file"] == files.source.name
    ]
    ((check, what),) = found
    assert check == "unreadable-image"
    assert files.result is None
    assert "save it" in what
    for load in (by_training, read_image):
        with pytest.raises(DataError, match=files.source.name):
            load(files.source)
    assert by_prediction(files.source) is None
    assert by_the_service(files.source) is None


def check_one(root: Path, name: str, kind: Kind, size, **actions):
    """Check a data set of one image, whose annotation claims a size or none."""
    shutil.rmtree(root, ignore_errors=True)
    make_voc(root, {"a": []})
    (root / "images/a.jpg").unlink()
    (root / "images" / f"a{Path(name).suffix}").write_bytes(kind.encoded)
    annotation = voc_xml("a", ("cat", 1, 1, 9, 9), size=size or (0, 0))
    (root / "xml/a.xml").write_text(annotation)
    return check_voc(root, unsupported_image="repair", **actions)


def findings_of(checked) -> list[str]:
    ignored = {"unsupported-image", "few-objects"}
    found = {finding.check for finding in checked.ledger.findings}
    return sorted(found - ignored)


@pytest.mark.parametrize("name", SEEN)
def test_each_kind_has_its_findings(tmp_path, name):
    kind = SEEN[name]
    checked = check_one(tmp_path / "voc", name, kind, None)
    assert findings_of(checked) == list(kind.checks)


@pytest.mark.parametrize("name", SEEN)
def test_a_header_tells_size_turn_and_pages_as_the_pixels_do(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(SEEN[name].encoded)
    outside, decoded = read_outside(file), read_pixels(file)
    assert outside.sizes == decoded.sizes
    assert outside.orientation == decoded.orientation
    assert outside.has_more_pages == decoded.has_more_pages


def test_a_file_without_a_header_tells_nothing(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff of nothing")
    assert read_outside(tmp_path / "a.jpg") is None
    assert read_outside(tmp_path / "none.jpg") is None


TURNED = {name: kind for name, kind in SEEN.items() if "rotated-image" in kind.checks}


@pytest.mark.parametrize("name", TURNED)
def test_the_size_in_the_annotation_tells_which_pixels_it_is_for(tmp_path, name):
    """As they are seen: no finding. As others see them: repair makes them such."""
    kind = TURNED[name]
    file = tmp_path / name
    file.write_bytes(kind.encoded)
    sizes = read_pixels(file).sizes
    other = sizes["upright"] if sizes["seen"] == sizes["stored"] else sizes["stored"]
    if other == sizes["seen"]:
        pytest.skip("turned by 180 degrees or mirrored: the size tells nothing")
    assert findings_of(check_one(tmp_path / "voc", name, kind, sizes["seen"])) == []
    checked = check_one(tmp_path / "voc", name, kind, other)
    assert findings_of(checked) == ["rotated-image"]
    checked = check_one(tmp_path / "voc", name, kind, other, rotated_image="repair")
    (one,) = checked.images
    assert one.size == other
    save_as_png(file, tmp_path / "made.png", one.png)
    assert cv2.imread(str(tmp_path / "made.png")).shape[1::-1] == other


@pytest.mark.parametrize("name", TURNED)
def test_repair_keeps_what_is_stored_and_ignore_what_viewers_show(tmp_path, name):
    """Where the annotation tells no size; coordinates of YOLO take the same side."""
    kind = TURNED[name]
    file = tmp_path / name
    file.write_bytes(kind.encoded)
    for action, oriented in (("repair", False), ("ignore", True)):
        checked = check_one(tmp_path / "voc", name, kind, None, rotated_image=action)
        (one,) = checked.images
        assert one.size == read_size(file, oriented)
        made = decode(kind.encoded)
        if one.png:
            save_as_png(file, tmp_path / "made.png", one.png)
            made = cv2.imread(str(tmp_path / "made.png"))
        picture = _without_turn(name) if action == "repair" else _upright(name, kind)
        assert made.shape == picture.shape
        assert np.abs(made.astype(int) - picture).max() <= kind.tolerance


def _without_turn(name: str) -> np.ndarray:
    return KINDS["deep.tif"].seen if name.startswith("deep") else bgr(PICTURE)


def _upright(name: str, kind: Kind) -> np.ndarray:
    value = next((word for word in name.split(".")[0].split() if word.isdecimal()), "6")
    if name.startswith("deep"):
        return kind.seen
    return KINDS[f"exif {value}.png"].seen


def test_a_deep_image_that_is_dark_here_and_there_is_no_finding(tmp_path):
    values = np.zeros((100, 100), np.uint16)
    values[:2] = 40000
    kind = Kind(cv2.imencode(".png", values)[1].tobytes(), None)
    assert findings_of(check_one(tmp_path / "voc", "a.png", kind, None)) == []
    values[:2] = 4000
    values[50, 50] = 65535  # a pixel that is hot
    kind = Kind(cv2.imencode(".png", values)[1].tobytes(), None)
    checked = check_one(tmp_path / "voc", "a.png", kind, None)
    assert findings_of(checked) == ["unused-bits"]
    (finding,) = checked.ledger.errors
    assert "reach 4000, 12 of 16 bits" in finding.what
    assert "times 16" in finding.what


@pytest.mark.parametrize("compression", ["zlib", "zstd", "jpeg2000"])
def test_values_of_a_tiff_are_found_however_it_is_packed(tmp_path, compression):
    values = np.random.default_rng(0).integers(0, 4001, (40, 50, 3), np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, photometric="rgb", compression=compression)
    kind = Kind(stream.getvalue(), None)
    checked = check_one(tmp_path / "voc", "a.tif", kind, None)
    assert "unused-bits" in findings_of(checked)
    whats = [one.what for one in checked.ledger.findings]
    assert any("12 of 16 bits" in what for what in whats)


def test_other_kinds_are_named_and_not_looked_at(tmp_path):
    voc = make_voc(tmp_path)
    for name in ("x.gif", "y.AVIF", "z.heic"):
        (voc / "images" / name).write_bytes(b"")
    checked = check_voc(voc)
    found = [
        (one.file, one.action)
        for one in checked.ledger.findings
        if one.check == "unread-image"
    ]
    assert found == [(name, "ignore") for name in ("x.gif", "y.AVIF", "z.heic")]
    assert checked.ledger.images_read == 3


def test_the_page_tells_of_each_kind():
    text = (ROOT / "docs/data.md").read_text()
    table = text.partition("## Which pixels are seen")[2].partition("\n## ")[0]
    for word in (
        *("JPEG", "PNG", "BMP", "WebP", "TIFF", "JPEG 2000", ".jfif", ".jpe", "GIF"),
        *("AVIF", "TGA", "EXIF", "XMP", "raw profile", "palette", "alpha", "CMYK"),
        *("grey", "1 bit", "16 bits", "12", "floats", "pages", "frames"),
    ):
        assert word in table, word
