"""Whatever a file holds, it ends in findings or one line, in little time and memory."""

import json
import resource
import signal
from collections.abc import Callable
from contextlib import contextmanager
from itertools import islice

import pytest

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Checked, Rules, check
from mmdet_flow.dataset.classes import parse_classes
from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.fields import MAX_NUMBER, Malformed
from mmdet_flow.dataset.findings import Policy
from mmdet_flow.dataset.image_index import read_list
from mmdet_flow.dataset.object_checks import MAX_POINTS
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.report import report_of, write_report
from mmdet_flow.dataset.rle import require_rle
from mmdet_flow.dataset.split import group_by_table, keep_duplicates_together, split
from mmdet_flow.errors import DataError, FlowError, UsageError
from mmdet_flow.evaluation.detect import read_detections
from mmdet_flow.evaluation.thresholds import thresholds
from mmdet_flow.inference.folder import list_images
from tests.conftest import ROOT
from tests.dataset.hostile_annotations import (
    BESIDE,
    CLASSES,
    COCO,
    OPEX,
    RESULTS,
    VALID,
    VIA,
    cases,
    large_cases,
    make_images,
    odd_entries,
    replaced,
)

SECONDS = 20
"""No single file takes longer, on a machine with other work."""

REPAIRING = Policy(
    {
        name: "repair"
        for name in (
            *("crossed-polygon", "polygon-outside-box", "crosses-edge"),
            *("short-polygon", "inverted-box", "similar-classes"),
        )
    }
)
STEP = 41
"""Each so manieth case is tried by default; a prime, so that all sorts are met."""


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and b.jpg, and a folder for one annotation file."""
    make_images(tmp_path)
    (tmp_path / "annotations").mkdir()
    return tmp_path


@contextmanager
def time_limit(what: str, seconds: int = SECONDS):
    """Fail after seconds of this processor, or many more of waiting."""

    def too_late(*_) -> None:
        pytest.fail(f"{what}: takes more than {seconds} s")

    timers = (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, 20 * seconds),
    )
    before = [signal.signal(number, too_late) for _, number, _ in timers]
    for timer, _, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def attempt(what: str, action: Callable[[], object]) -> None:
    """Run an action that may refuse its input, in one short line."""
    with time_limit(what):
        try:
            action()
        except FlowError as error:
            assert "\n" not in str(error), what
            assert len(str(error)) < 1000, what
        except Exception as error:
            pytest.fail(f"{what}: {type(error).__name__}: {error}")


def check_folder(format_name: str, folder, policy: Policy | None = None) -> Checked:
    source = Source(folder / "annotations", folder)
    return check(FORMATS[format_name], source, Rules(policy=policy or Policy()))


def check_and_report(format_name: str, folder, policy: Policy) -> None:
    checked = check_folder(format_name, folder, policy)
    report = report_of(checked)
    for part in (report["images"], report["objects"]):
        assert part["read"] == part["written"] + len(part["left_out"])
    write_report(report, folder / "report.json")


def read_as(format_name: str, folder) -> None:
    """Read the file of a format in the folder with all that takes it."""
    path = folder / "annotations" / VALID[format_name].name
    truth = folder / "truth.json"
    truth.write_text(json.dumps(COCO))
    if format_name == "results":
        coco = CocoFile.read(truth)
        thresholds(coco, read_detections(path, coco), "f1", 0.9, 0.9)
    elif format_name == "coco":
        coco = CocoFile.read(path)
        (folder / "results.json").write_text(json.dumps(RESULTS))
        found = read_detections(folder / "results.json", coco)
        thresholds(coco, found, "f1", 0.9, 0.9)
    elif format_name == "groups":
        group_by_table(CocoFile.read(truth), path, "group")
    elif format_name == "classes":
        parse_classes(str(path))
        parse_classes(path.read_text(errors="replace"))
    elif format_name == "list":
        attempt("lists", lambda: read_list(path))
        attempt("images", lambda: list_images(folder, path))
        lists = dict.fromkeys(("train", "val", "test"), str(path))
        split(CocoFile.read(truth), folder / "splits", lists, 0)


def write_beside(format_name: str, folder) -> str:
    """Write what a file is read with; return the format that it is read as."""
    format_name, *beside = BESIDE.get(format_name, (format_name,))
    if beside:
        (folder / "annotations" / beside[0]).write_text(beside[1])
    return format_name


def try_all(format_name: str, folder, chosen) -> int:
    """Try cases of a format; return how many there were."""
    path = folder / "annotations" / VALID[format_name].name
    read_as_format = write_beside(format_name, folder)
    number = 0
    for number, case in enumerate(chosen, 1):
        what = f"{format_name}: {case.what}"
        path.write_bytes(case.content)
        if read_as_format in FORMATS:
            policy = (Policy(), REPAIRING)[number % 2]
            attempt(what, lambda p=policy: check_and_report(read_as_format, folder, p))
        if format_name not in FORMATS or format_name == "coco":
            attempt(what, lambda: read_as(format_name, folder))
    return number


@pytest.mark.parametrize("format_name", VALID)
def test_malformed_files_end_in_findings_or_one_line(format_name, folder):
    chosen = islice(cases(format_name), 0, None, STEP)
    assert try_all(format_name, folder, chosen) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("format_name", VALID)
def test_more_malformed_files_end_in_findings_or_one_line(format_name, folder):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert try_all(format_name, folder, cases(format_name, seed=1, flips=300)) > 300
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 1_000_000  # KiB


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "entry", [*odd_entries(ROOT / "x")], ids=lambda entry: entry.replace(" ", "-")
)
def test_what_is_no_file_is_a_finding(format_name, entry, folder):
    path = folder / "annotations" / VALID[format_name].name
    odd_entries(path)[entry]()
    attempt(f"{format_name}: {entry}", lambda: check_folder(format_name, folder))


@pytest.mark.parametrize("format_name", FORMATS)
def test_large_files_take_seconds(format_name, folder):
    write_beside(format_name, folder)
    for case in large_cases(format_name, 15_000):
        (folder / "annotations" / VALID[format_name].name).write_bytes(case.content)
        attempt(
            f"{format_name}: {case.what}", lambda: check_folder(format_name, folder)
        )


def findings_of(format_name: str, folder, document: object) -> list[tuple[str, str]]:
    """Return the findings of a JSON document: check and what."""
    path = folder / "annotations" / VALID[format_name].name
    path.write_text(json.dumps(document))
    checked = check_folder(format_name, folder)
    found = checked.ledger.findings
    return [(one.check, one.what) for one in found if one.check != "few-objects"]


def coco_with(*way, value) -> dict:
    return replaced(COCO, way, value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("bbox", ["4", "5", "6", "x"], "a number of its bbox is 'x', not a number"),
        ("bbox", "4, 5, 6", "its bbox has 3 numbers, not 4"),
        ("bbox", [1, 2, 3], "its bbox has 3 numbers, not 4"),
        ("bbox", None, "its bbox is None, not a list"),
        ("bbox", [0, 0, 5, MAX_NUMBER + 1], f"beyond {MAX_NUMBER}"),
        ("iscrowd", "no", "its iscrowd is 'no', not 0 or 1"),
        ("iscrowd", 2, "its iscrowd is 2, not 0 or 1"),
        ("ignore", "no", "its ignore is 'no', not 0 or 1"),
        ("area", "large", "its area is 'large', not a number"),
        ("area", [80], "its area is [80], not a number"),
        ("category_id", [1], "its category_id [1] is not there"),
        ("segmentation", [1, 2, [3, 4]], "a polygon of it is 1, not a list"),
        ("segmentation", [1, 2, 3, 4, 5], "an odd number of coordinates"),
        ("segmentation", {"size": [48, 64]}, "it needs counts and size"),
        ("segmentation", "x", "its segmentation is 'x', not a list"),
        ("segmentation", [[1, 2, 3, 4, 5, "x"]], "a coordinate is 'x'"),
    ],
)
def test_one_wrong_value_of_coco_costs_its_object_alone(folder, key, value, said):
    found = findings_of("coco", folder, coco_with("annotations", 0, key, value=value))
    assert [name for name, _ in found] == ["invalid-object"]
    assert said in found[0][1]


def test_one_wrong_entry_leaves_the_findings_of_all_others(folder):
    content = coco_with("annotations", 0, value=None)
    content["annotations"][1]["bbox"] = [500, 500, 5, 5]
    checks = [name for name, _ in findings_of("coco", folder, content)]
    assert sorted(checks) == ["invalid-object", "outside-image"]
    broken = VIA | {"b.jpg1": {"filename": ["b.jpg"], "regions": {}}}
    found = findings_of("vgg", folder, broken)
    assert ("broken-annotation", "filename is ['b.jpg'], not text") in found


def test_outlines_of_too_many_points_are_a_finding(folder):
    points = [[n % 60, n % 40] for n in range(MAX_POINTS + 1)]
    content = replaced(OPEX, ("objects", 0, "polygon", "points"), points)
    said = f"it has {MAX_POINTS + 1} points, over {MAX_POINTS}"
    assert ("too-many-points", said) in findings_of("opex", folder, content)
    parts = [[v for point in points[:6000] for v in point]] * 2
    content = coco_with("annotations", 0, "segmentation", value=parts)
    checks = [name for name, _ in findings_of("coco", folder, content)]
    assert "too-many-points" in checks


def test_outlines_that_cross_themselves_everywhere_are_not_repaired(folder):
    points = [[7 * n % 61, 11 * n % 47] for n in range(MAX_POINTS)]
    content = replaced(OPEX, ("objects", 0, "polygon", "points"), points)
    with time_limit("an outline that crosses itself everywhere"):
        found = findings_of("opex", folder, content)
    assert ("crossed-polygon", "its polygon crosses itself over 1000 times") in found


@pytest.mark.parametrize(
    ("rle", "said"),
    [
        ({"counts": [1, 3], "size": [2, 2]}, None),
        ({"counts": "13", "size": [2, 2]}, None),
        ({"counts": [4, 1], "size": [2, 2]}, "counts 5 pixels, but its size 2x2 has 4"),
        ({"counts": "1", "size": [2, 2]}, "counts 1 pixels"),
        ({"counts": [5, -1], "size": [2, 2]}, "a negative count"),
        ({"counts": ["4"], "size": [2, 2]}, "a count of its RLE is '4'"),
        ({"counts": "\u00e9", "size": [2, 2]}, "no compressed counts"),
        ({"counts": "P" * 40 + "1", "size": [2, 2]}, "beyond any image"),
        ({"counts": None, "size": [2, 2]}, "not a list"),
        ({"counts": [4], "size": [4]}, "not height and width"),
        ({"counts": [4], "size": ["2", 2]}, "not height and width"),
        ({"counts": [4], "size": [10**9, 10**9]}, "more than"),
        ({"counts": [4]}, "it needs counts and size"),
        ({"counts": [2], "size": [1, 2]}, "its mask has 2x1 pixels, its image 2x2"),
    ],
)
def test_masks_are_what_their_size_says(rle, said):
    if said is None:
        require_rle(rle, (2, 2))
        return
    with pytest.raises(Malformed, match=said):
        require_rle(rle, (2, 2))


def test_the_masks_of_pycocotools_are_taken():
    import numpy as np
    from pycocotools import mask as coco_mask

    chance = np.random.default_rng(0)
    for density in (0.0, 0.01, 0.5, 0.99, 1.0):
        pixels = np.asfortranarray(chance.random((70, 300)) < density, np.uint8)
        rle = coco_mask.encode(pixels)
        require_rle(rle | {"counts": rle["counts"].decode()}, (300, 70))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": "0.9"}, "row 1: its score is '0.9', not a number"),
        ({"bbox": [float("nan"), 0, 1, 1]}, "row 1: a number of its bbox is nan"),
        ({"bbox": ["x", 0, 1, 1]}, "row 1: a number of its bbox is 'x'"),
        ({"bbox": [1, 0, 1]}, "row 1: its bbox has 3 numbers, not 4"),
        ({"bbox": [9, 9, -5, 5]}, "row 1: its bbox is -5 wide and 5 high"),
        ({"segmentation": [[1, 2, 3, 4]]}, "row 1: its polygon has under 3 points"),
        ({"segmentation": "x"}, "row 1: its segmentation is 'x', not a list"),
        ({"category_id": 9}, "category_id 9 is not in"),
        ({"image_id": [1]}, r"image_id \[1\] is not in"),
    ],
)
def test_wrong_rows_of_results_are_refused(tmp_path, change, said):
    (tmp_path / "truth.json").write_text(json.dumps(COCO))
    (tmp_path / "found.json").write_text(json.dumps([RESULTS[0] | change]))
    with pytest.raises(DataError, match=said):
        read_detections(tmp_path / "found.json", CocoFile.read(tmp_path / "truth.json"))


def test_lists_and_tables_in_other_encodings_are_one_line(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes("caf\xe9.jpg\n".encode("latin-1"))
    (tmp_path / "truth.json").write_text(json.dumps(COCO))
    coco = CocoFile.read(tmp_path / "truth.json")
    for read in (
        lambda: parse_classes(str(path)),
        lambda: read_list(path),
        lambda: group_by_table(coco, path, "group"),
        lambda: keep_duplicates_together({}, path),
    ):
        with pytest.raises(DataError, match="is not UTF-8 at byte 3"):
            read()


def test_a_list_of_classes_longer_than_a_file_name_is_read():
    assert parse_classes(",".join(f"class {n}" for n in range(900)))[899] == "class 899"
    with pytest.raises(UsageError, match="not a class list"):
        parse_classes(f"{CLASSES},," * 900)


def test_a_pattern_that_is_none_is_one_line(folder):
    source = Source(folder, folder, pattern="/absolute/*.xml")
    with pytest.raises(UsageError, match="--glob /absolute"):
        check(FORMATS["voc"], source, Rules())


def test_another_report_is_one_line(tmp_path):
    (tmp_path / "report.json").write_text('{"duplicates": [1]}')
    with pytest.raises(DataError, match="is not a report of mmdet-flow data convert"):
        keep_duplicates_together({}, tmp_path / "report.json")
