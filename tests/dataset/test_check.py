"""Every way to spoil a data set that is known gives its finding, and none is silent."""

import csv
import json
import random
import shutil

import cv2
import pytest
from PIL import Image

from mmdet_flow.dataset.annotations import Source
from mmdet_flow.dataset.check import Checked, Rules, check
from mmdet_flow.dataset.findings import CHECKS, Policy
from mmdet_flow.dataset.readers import FORMATS
from mmdet_flow.dataset.report import report_of
from mmdet_flow.errors import DataError, UsageError
from tests.conftest import run_command, the_error
from tests.dataset.voc_data import make_picture, make_voc, voc_xml


@pytest.fixture
def voc(tmp_path):
    return make_voc(tmp_path)


def check_voc(root, classes=None, lists=(), image_size=None, **actions) -> Checked:
    """Check with a policy; an underscore in a keyword stands for a hyphen."""
    policy = Policy({name.replace("_", "-"): how for name, how in actions.items()})
    rules = Rules(classes, policy, image_size, 0, tuple(lists))
    return check(FORMATS["voc"], Source(root / "xml", root / "images"), rules)


def checks_of(checked: Checked) -> list[str]:
    return [finding.check for finding in checked.ledger.findings]


def assert_the_sum_holds(checked: Checked) -> dict:
    """Objects and images read are those kept and those left out, one by one."""
    report = report_of(checked)
    for part in (report["images"], report["objects"]):
        assert part["read"] == part["written"] + len(part["left_out"])
    return report


def annotate(root, *objects, name="a", **options) -> None:
    xml = voc_xml(f"{name}.jpg", *objects, **options)
    (root / "xml" / f"{name}.xml").write_text(xml)


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rotate_by_exif(path) -> None:
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, exif=exif)


def change_suffix(root, suffix) -> None:
    image = cv2.imread(str(root / "images/a.jpg"))
    cv2.imwrite(str(root / f"images/a{suffix}"), image)
    (root / "images/a.jpg").unlink()


def add_sub_folder(root) -> None:
    (root / "images/sub").mkdir()
    make_picture(root / "images/sub/a.jpg", 99)


def add_second_annotation(root) -> None:
    shutil.copy(root / "xml/a.xml", root / "xml/second.xml")


def add_copy(root) -> None:
    image = cv2.imread(str(root / "images/a.jpg"))
    cv2.imwrite(str(root / "images/z.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    annotate(root, ("cat", 3, 3, 9, 9), name="z")


CORPUS = {
    "no image": ("missing-image", lambda d: (d / "images/a.jpg").unlink()),
    "truncated": ("unreadable-image", lambda d: truncate(d / "images/a.jpg")),
    "empty file": (
        "unreadable-image",
        lambda d: (d / "images/a.jpg").write_bytes(b""),
    ),
    "text": ("unreadable-image", lambda d: (d / "images/a.jpg").write_text("hi")),
    "tif": ("unsupported-image", lambda d: change_suffix(d, ".tif")),
    "webp": ("unsupported-image", lambda d: change_suffix(d, ".webp")),
    "exif": ("rotated-image", lambda d: rotate_by_exif(d / "images/a.jpg")),
    "other size": (
        "image-size",
        lambda d: annotate(d, ("cat", 1, 1, 9, 9), size=(9, 9)),
    ),
    "two folders": ("ambiguous-image", add_sub_folder),
    "annotated twice": ("duplicate-name", add_second_annotation),
    "same content": ("duplicate-content", add_copy),
    "broken xml": (
        "broken-annotation",
        lambda d: (d / "xml/a.xml").write_text("<annotation><object>"),
    ),
    "entities": (
        "broken-annotation",
        lambda d: (d / "xml/a.xml").write_text(
            '<!DOCTYPE x [<!ENTITY e "e">]><annotation>&e;</annotation>'
        ),
    ),
    "other xml": (
        "broken-annotation",
        lambda d: (d / "xml/a.xml").write_text("<svg/>"),
    ),
    "no annotation": ("no-annotation", lambda d: (d / "xml/a.xml").unlink()),
    "no number": ("invalid-object", lambda d: annotate(d, ("cat", "x", 1, 9, 9))),
    "not a number": ("invalid-object", lambda d: annotate(d, ("cat", "nan", 1, 9, 9))),
    "no end": ("invalid-object", lambda d: annotate(d, ("cat", 1, 1, "inf", 9))),
    "line break in a name": (
        "control-character",
        lambda d: annotate(d, ("red\ncell", 1, 1, 9, 9)),
    ),
    "no name": ("unnamed-object", lambda d: annotate(d, ("", 1, 1, 9, 9))),
    "spelling": ("similar-classes", lambda d: annotate(d, ("Cat", 1, 1, 9, 9))),
    "inverted": ("inverted-box", lambda d: annotate(d, ("cat", 9, 1, 3, 9))),
    "outside": ("outside-image", lambda d: annotate(d, ("cat", 70, 1, 80, 9))),
    "over the edge": ("crosses-edge", lambda d: annotate(d, ("cat", 50, 1, 80, 9))),
    "one pixel": ("tiny-box", lambda d: annotate(d, ("cat", 5, 5, 5, 5))),
}
"""What is done to the data set, and the name of the check that must find it."""

NOT_REPAIRABLE = {("annotated twice", "repair")}
"""Cases in which an action of their check is not possible."""


@pytest.mark.parametrize("case", CORPUS)
def test_each_fault_is_found_and_the_sum_holds(voc, case):
    name, spoil = CORPUS[case]
    assert name not in checks_of(check_voc(voc)) or name == "tiny-box"
    spoil(voc)
    checked = check_voc(voc)
    assert name in checks_of(checked)
    assert_the_sum_holds(checked)
    stops = any(finding.check == name for finding in checked.ledger.errors)
    assert stops == (CHECKS[name].default == "error")


@pytest.mark.parametrize("case", CORPUS)
def test_each_action_of_the_policy_is_taken(voc, case):
    name, spoil = CORPUS[case]
    spoil(voc)
    for action in CHECKS[name].actions:
        checked = check_voc(voc, **{name: action})
        assert_the_sum_holds(checked)
        taken = [item.action for item in checked.ledger.findings if item.check == name]
        possible = (case, action) not in NOT_REPAIRABLE
        assert set(taken) == {action if possible else "error"}
        left_out = {item.check for item in checked.ledger.left_out}
        if action == "drop":
            assert name in left_out or checked.ledger.images_left_out
        elif action != "error" and possible:
            assert name not in left_out


def test_repairs_give_the_data_that_they_promise(voc):
    annotate(voc, ("cat", 9, 30, 3, 9), ("cat", 50, 1, 80, 9), ("Cat", 1.4, 1, 9, 9))
    checked = check_voc(
        voc,
        ["cat"],
        inverted_box="repair",
        crosses_edge="repair",
        unknown_class="repair",
    )
    objects = checked.images[0].source.objects
    assert [item.bbox for item in objects] == [
        (3.0, 9.0, 7.0, 22.0),
        (50.0, 1.0, 14.0, 9.0),
        (1.40625, 1.0, 8.59375, 9.0),
    ]
    assert {item.label for item in objects} == {"cat"}


def test_a_rotated_image_is_kept_as_it_was_annotated(voc):
    rotate_by_exif(voc / "images/a.jpg")
    stored = check_voc(voc, rotated_image="repair").images[0]
    assert (stored.name, stored.size, stored.png) == ("a.png", (64, 48), "stored")
    rotated = check_voc(voc, rotated_image="ignore").images[0]
    assert (rotated.name, rotated.size, rotated.png) == ("a.jpg", (48, 64), "")
    # Annotated as viewers show it, there is nothing to repair.
    annotate(voc, ("cat", 1, 1, 9, 9), size=(48, 64))
    assert "rotated-image" not in checks_of(check_voc(voc))


@pytest.mark.parametrize("case", ["broken xml", "two folders"])
def test_what_has_an_annotation_that_is_of_no_use_is_no_background(voc, case):
    name, spoil = CORPUS[case]
    spoil(voc)
    make_picture(voc / "images/empty.jpg", 7)
    checked = check_voc(voc, **{name: "drop", "no-annotation": "repair"})
    report = assert_the_sum_holds(checked)
    assert set(report["images"]["left_out"]) == {"a.jpg"}
    names = [one.name for one in checked.images]
    assert "empty.jpg" in names and "a.jpg" not in names


def test_no_image_is_known_to_be_empty_beside_a_broken_file_of_many(tmp_path):
    make_picture(tmp_path / "a.jpg", 1)
    (tmp_path / "many.json").write_text("{")
    policy = Policy({"broken-annotation": "drop", "no-annotation": "repair"})
    checked = check(FORMATS["coco"], Source(tmp_path, tmp_path), Rules(policy=policy))
    assert_the_sum_holds(checked)
    assert [item.what for item in checked.ledger.errors] == [
        "it has no annotation, unless in many.json, which is broken"
    ]


def test_names_of_two_folders_can_be_made_unique(voc):
    for folder, seed in (("one", 5), ("two", 6)):
        (voc / "images" / folder).mkdir()
        (voc / "xml" / folder).mkdir()
        make_picture(voc / "images" / folder / "x.jpg", seed)
        (voc / "xml" / folder / "x.xml").write_text(
            voc_xml("x.jpg", ("cat", 1, 1, 9, 9))
        )
    assert "duplicate-name" in checks_of(check_voc(voc))
    checked = check_voc(voc, duplicate_name="repair")
    names = [one.name for one in checked.images if one.name.endswith("x.jpg")]
    assert names == ["two_x.jpg", "x.jpg"]
    assert_the_sum_holds(checked)


def test_pictures_that_are_numbered_anew_in_each_split(tmp_path):
    """Folders of the same name below tell nothing, so the ones above name them."""
    for seed, split in enumerate(("test", "train", "valid")):
        for part in ("xml", "images"):
            (tmp_path / split / part).mkdir(parents=True)
        make_picture(tmp_path / split / "images/0.jpg", seed)
        text = voc_xml("0.jpg", ("cat", 1, 1, 9 + seed, 9))
        (tmp_path / split / "xml/0.xml").write_text(text)
    rules = Rules(None, Policy({"duplicate-name": "repair"}), None, 0)
    checked = check(FORMATS["voc"], Source(tmp_path, tmp_path), rules)
    found = {
        one.name: (one.source.image.parent.parent.name, one.source.objects[0].bbox[2])
        for one in checked.images
    }
    assert found == {
        "0.jpg": ("test", 9),
        "train_0.jpg": ("train", 10),
        "valid_0.jpg": ("valid", 11),
    }


def test_duplicates_across_lists(voc):
    add_copy(voc)
    (voc / "train.txt").write_text("a\nc\n")
    (voc / "test.txt").write_text("z.jpg\n")
    checked = check_voc(voc, lists=[voc / "train.txt", voc / "test.txt"])
    assert "duplicate-across-splits" in checks_of(checked)
    assert checked.duplicates == [["a.jpg", "z.jpg"]]


def across_splits(voc, **splits: str) -> list[tuple[str, str, str]]:
    for name, text in splits.items():
        (voc / f"{name}.txt").write_text(text)
    checked = check_voc(voc, lists=[voc / f"{name}.txt" for name in splits])
    return [
        (one.check, one.file, one.what.rpartition("are in ")[2])
        for one in checked.ledger.findings
        if one.check.endswith("across-splits")
    ]


def add_copies(root, *names) -> None:
    """Add images that show the same as a.jpg."""
    for name in names:
        shutil.copy(root / "images/a.jpg", root / f"images/{name}.jpg")
        annotate(root, ("cat", 3, 3, 9, 9), name=name)


def test_no_copy_hides_that_others_are_in_two_splits(voc):
    """Whether the first of them is in a split or in none."""
    add_copies(voc, "x", "y", "z")
    leak = "duplicate-across-splits"
    found = across_splits(voc, train="x\ny\n", test="z\n")
    assert found == [(leak, "z.jpg", "test and train")]
    found = across_splits(voc, train="a\nx\n", val="y", test="z\n")
    assert found == [
        (leak, "y.jpg", "train and val"),
        (leak, "z.jpg", "test and train"),
    ]
    assert across_splits(voc, train="a\nx\ny\nz\n", test="c") == []


@pytest.mark.parametrize(
    ("train", "test", "is_found"),
    [
        ("scan7_0_0", "scan7_0_512", True),
        ("scan7_x0_y0", "scan7_x0_y9", True),
        ("film.2_frame_001", "film.2_frame_002", True),
        ("p_tile-3", "p_Tile-4", True),
        (f"b_jpg.rf.{'0' * 32}", f"b_jpg.rf.{'1' * 32}", True),
        ("scan7_0_0", "scan8_0_0", False),
        ("2007_000027", "2007_000032", False),
        ("IMG_0001", "IMG_0002", False),
        ("frame_1", "frame_2", False),
        ("cell1", "cell2", False),
    ],
)
def test_pieces_of_a_picture_across_lists(voc, train, test, is_found):
    for seed, name in enumerate((train, test)):
        make_picture(voc / f"images/{name}.jpg", 100 + seed)
        annotate(voc, ("cat", 3, 3, 9, 9), name=name)
    found = across_splits(voc, train=f"{train}\na", test=f"{test}.jpg\nc")
    first = f"{min(train, test)}.jpg"
    expected = [("pieces-across-splits", first, "test and train")] if is_found else []
    assert found == expected


def test_a_missing_list_is_an_error(voc):
    with pytest.raises(DataError, match=r"nowhere\.txt: No such file"):
        check_voc(voc, lists=[voc / "nowhere.txt"])


def test_boxes_below_a_pixel_at_the_training_size(voc):
    annotate(voc, ("cat", 5, 5, 6, 30))
    assert "too-small-to-learn" in checks_of(check_voc(voc, image_size=16))
    assert "too-small-to-learn" not in checks_of(check_voc(voc, image_size=64))


@pytest.mark.parametrize(
    ("points", "name"),
    [
        ([[1, 1], [9, 9]], "short-polygon"),
        ([[1, 1], [9, 9], [9, 1], [1, 9]], "crossed-polygon"),
        ([[1, 1], [9, 1], [30, 9]], "polygon-outside-box"),
    ],
)
def test_polygons_are_checked(tmp_path, points, name):
    make_picture(tmp_path / "a.jpg", 1)
    bbox = {"left": 1, "top": 1, "right": 9, "bottom": 9}
    item = {"label": "x", "bbox": bbox, "polygon": {"points": points}}
    (tmp_path / "a.json").write_text(json.dumps({"id": "a", "objects": [item]}))
    for action in CHECKS[name].actions:
        rules = Rules(policy=Policy({name: action}), min_objects=0)
        checked = check(FORMATS["opex"], Source(tmp_path, tmp_path), rules)
        assert checks_of(checked) == [name]
        assert_the_sum_holds(checked)


FAULTS = [
    ("cat", 9, 1, 3, 9),
    ("cat", 70, 1, 80, 9),
    ("cat", 50, 1, 80, 9),
    ("cat", 1.5, 1, 9, 9),
    ("", 1, 1, 9, 9),
    ("cow", 1, 1, 9, 9),
    ("cat", "x", 1, 9, 9),
    ("cat", 5, 5, 5, 5),
]
SPOILERS = [
    lambda path: path.unlink(),
    truncate,
    rotate_by_exif,
    lambda path: path.write_bytes(b""),
]


@pytest.mark.parametrize("seed", range(12))
def test_the_sum_holds_for_random_faults_under_random_policies(tmp_path, seed):
    rng = random.Random(seed)
    objects = {
        f"{number:02d}": [
            rng.choice([("cat", 1, 1, 9, 9), ("dog", 4, 4, 40, 30), *FAULTS])
            for _ in range(rng.randrange(5))
        ]
        for number in range(12)
    }
    make_voc(tmp_path / "data", objects)
    for path in sorted((tmp_path / "data/images").iterdir()):
        if rng.random() < 0.3:
            rng.choice(SPOILERS)(path)
    for path in sorted((tmp_path / "data/xml").iterdir()):
        if rng.random() < 0.1:
            path.write_text("<annotation>")
    policy = {name: rng.choice(CHECKS[name].actions) for name in CHECKS}
    rules = Rules(["cat", "dog"], Policy(policy), image_size=16)
    source = Source(tmp_path / "data/xml", tmp_path / "data/images")
    checked = check(FORMATS["voc"], source, rules)
    report = assert_the_sum_holds(checked)
    parsed = sum(
        len(objects[path.stem])
        for path in (tmp_path / "data/xml").iterdir()
        if path.read_text() != "<annotation>"
    )
    assert report["objects"]["read"] == parsed
    assert sum(report["objects_by_class"].values()) == report["objects"]["written"]


def test_the_command_reports_all_findings_at_once(voc):
    annotate(voc, ("cat", 9, 1, 3, 9), ("", 1, 1, 9, 9))
    truncate(voc / "images/c.jpg")
    run = run_command(
        *("mmdet-flow data check", "--format=voc", "--annotations", voc / "xml"),
        *("--images", voc / "images", "--report", voc / "report.json"),
    )
    assert run.returncode == 3
    assert "3 findings to be fixed" in the_error(run)
    assert "3 objects read = 1 ready + 2 left out" in run.stdout
    with open(voc / "report.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["check"] for row in rows if row["action"] == "error"} == {
        *("inverted-box", "unnamed-object", "unreadable-image")
    }
    assert all(row["consequence"] and row["fix"] for row in rows)


def test_a_single_finding_is_told_as_one(voc):
    annotate(voc, ("cat", 1, 1, 9, 9), ("", 1, 1, 9, 9))
    run = run_command(
        *("mmdet-flow data check", "--format=voc", "--annotations", voc / "xml"),
        *("--images", voc / "images"),
    )
    assert "error: 1 finding to be fixed" in run.stderr


def test_policies_that_are_none():
    with pytest.raises(UsageError, match="did you mean tiny-box"):
        Policy.parse(["tiny_box=drop"])
    with pytest.raises(UsageError, match="choose one of error, drop"):
        Policy.parse(["missing-image=repair"])


def test_an_empty_folder_is_no_data_set(tmp_path):
    with pytest.raises(DataError, match="holds no annotations"):
        check(FORMATS["voc"], Source(tmp_path, tmp_path), Rules())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_names_of_classes_are_for_formats_without_them(name, tmp_path):
    (tmp_path / "names.txt").write_text("cat\n")
    source = Source(tmp_path, tmp_path, labels=tmp_path / "names.txt")
    takes = name in ("yolo", "open-images")
    with pytest.raises(DataError if takes else UsageError) as refused:
        check(FORMATS[name], source, Rules())
    assert ("names.txt: this format has the names" in str(refused.value)) != takes
