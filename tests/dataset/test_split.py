import pytest

from mmdet_flow.dataset.coco import CocoFile
from mmdet_flow.dataset.split import (
    first_images,
    group_by_pattern,
    group_by_table,
    keep_duplicates_together,
    split,
    split_by_fraction,
)
from mmdet_flow.errors import DataError, UsageError

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}


def make_coco(objects: list[list[str]], tmp_path) -> CocoFile:
    """Return a data set with these class names in each image."""
    classes = sorted({name for names in objects for name in names})
    return CocoFile(
        tmp_path / "annotations.json",
        images=[
            {"id": i, "file_name": f"{i:03d}.jpg", "width": 9, "height": 9}
            for i in range(1, len(objects) + 1)
        ],
        annotations=[
            {"id": i * 100 + j, "image_id": i, "category_id": classes.index(name) + 1}
            | {"bbox": [1, 1, 5, 5]}
            for i, names in enumerate(objects, 1)
            for j, name in enumerate(names)
        ],
        categories=[{"id": k, "name": name} for k, name in enumerate(classes, 1)],
    )


def test_fractions_hold_for_images_and_for_each_class(tmp_path):
    # 200 images: all have a, every 4th has b, every 20th has c.
    objects = [["a"] + ["b"] * (i % 4 == 0) + ["c"] * (i % 20 == 0) for i in range(200)]
    coco = make_coco(objects, tmp_path)
    parts = split_by_fraction(coco, FRACTIONS, seed=1)
    for name, fraction in FRACTIONS.items():
        assert abs(len(parts[name]) - 200 * fraction) <= 2
        subset = coco.subset(parts[name])
        for category, total in ((2, 50), (3, 10)):
            found = sum(i["category_id"] == category for i in subset.annotations)
            assert abs(found - total * fraction) <= 1


def test_all_images_once_and_the_seed_decides(tmp_path):
    coco = make_coco([["a"], ["b"], []] * 20, tmp_path)
    parts = split_by_fraction(coco, FRACTIONS, seed=1)
    every = sorted(name for names in parts.values() for name in names)
    assert every == [image["file_name"] for image in coco.images]
    assert parts == split_by_fraction(coco, FRACTIONS, seed=1)
    assert parts != split_by_fraction(coco, FRACTIONS, seed=2)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_no_split_is_empty(tmp_path, count):
    coco = make_coco([["a"]] * count, tmp_path)
    parts = split_by_fraction(coco, FRACTIONS, seed=0)
    assert all(parts.values())


def test_too_few_images_are_refused(tmp_path):
    coco = make_coco([["a"]] * 2, tmp_path)
    wanted = {name: str(fraction) for name, fraction in FRACTIONS.items()}
    with pytest.raises(DataError, match="is empty"):
        split(coco, tmp_path / "splits", wanted, 0)


def write_lists(tmp_path, **lists) -> dict[str, str]:
    for name, lines in lists.items():
        (tmp_path / f"{name}.list").write_text("\n".join(lines) + "\n")
    return {name: str(tmp_path / f"{name}.list") for name in lists}


def test_lists_may_leave_out_the_suffix(tmp_path):
    coco = make_coco([["a"], ["a", "b"], ["b"], []], tmp_path)
    wanted = write_lists(tmp_path, train=["001", "003.jpg"], val=["002"], test=["004"])
    split(coco, tmp_path / "splits", wanted, 0)
    assert (tmp_path / "splits" / "train.txt").read_text() == "001.jpg\n003.jpg\n"
    trainval = CocoFile.read(tmp_path / "splits" / "trainval.json")
    assert len(trainval.images) == 3
    assert trainval.classes == ["a", "b"]


@pytest.mark.parametrize(
    ("test_list", "expected"),
    [
        (["0O4"], "line 1: no image 0O4; did you mean 004"),
        (["", "004", "", "0O4"], "line 4: no image 0O4"),
        (["002"], "in the lists of"),
    ],
)
def test_wrong_lists_are_refused(tmp_path, test_list, expected):
    coco = make_coco([["a"]] * 4, tmp_path)
    wanted = write_lists(tmp_path, train=["001"], val=["002"], test=test_list)
    with pytest.raises(DataError, match=expected):
        split(coco, tmp_path / "splits", wanted, 0)


def test_val_may_be_the_test_and_trainval_is_without_it(tmp_path, caplog):
    coco = make_coco([["cat"], ["cat"], ["dog"]], tmp_path)
    first, second, third = (image["file_name"] for image in coco.images)
    lists = write_lists(tmp_path, train=[first, second], val=[third])
    lists["test"] = lists["val"]
    split(coco, tmp_path / "out", lists, seed=0)
    assert (tmp_path / "out/val.txt").read_text() == f"{third}\n"
    assert (tmp_path / "out/test.txt").read_text() == f"{third}\n"
    trainval = CocoFile.read(tmp_path / "out/trainval.json")
    assert [one["file_name"] for one in trainval.images] == [first, second]
    assert "val and test are the same images" in caplog.text
    with pytest.raises(DataError, match="is in the lists of val and of test"):
        split(coco, tmp_path / "folds", lists, seed=0, fold=(0, 2))


def test_groups_that_lists_divide_are_told(tmp_path, caplog):
    coco = make_coco([["a"]] * 6, tmp_path)
    groups = {"001.jpg": "x", "002.jpg": "x", "003.jpg": "x", "005.jpg": "y"}
    lists = {"train": "001\n002\n", "val": "003\n004\n", "test": "005\n006\n"}
    for name, text in lists.items():
        (tmp_path / f"{name}.txt").write_text(text)
    wanted = {name: str(tmp_path / f"{name}.txt") for name in lists}
    split(coco, tmp_path / "splits", wanted, 0, groups)
    assert "1 group in more than one split, such as 001.jpg in train and 003.jpg" in (
        caplog.text
    )
    caplog.clear()
    split(coco, tmp_path / "splits", wanted, 0, groups | {"003.jpg": "z"})
    # One list for both is no leak of its own.
    split(coco, tmp_path / "splits", wanted | {"val": wanted["test"]}, 0, groups)
    # Folds keep the groups of train and val together, whatever the lists say.
    split(coco, tmp_path / "splits", wanted, 0, groups, fold=(0, 2))
    assert "group" not in caplog.text
    groups["006.jpg"] = "x"
    split(coco, tmp_path / "splits", wanted, 0, groups, fold=(0, 2))
    assert "1 group in more than one split" in caplog.text


def test_fractions_and_lists_do_not_mix(tmp_path):
    coco = make_coco([["a"]] * 4, tmp_path)
    wanted = {"train": "0.5"} | write_lists(tmp_path, val=["002"], test=["003"])
    with pytest.raises(UsageError, match="for all"):
        split(coco, tmp_path / "splits", wanted, 0)


def splits_of(parts: dict[str, list[str]]) -> dict[str, str]:
    return {image: name for name, images in parts.items() for image in images}


def test_groups_stay_together_and_fractions_hold(tmp_path):
    objects = [["a"] + ["b"] * (i % 3 == 0) for i in range(120)]
    coco = make_coco(objects, tmp_path)
    # Ten views a specimen: 001.jpg to 009.jpg have the first two digits in common.
    groups = group_by_pattern(coco, r"^(\d\d)")
    parts = split_by_fraction(coco, FRACTIONS, 0, groups)
    split_of = splits_of(parts)
    for group in set(groups.values()):
        members = {split_of[name] for name in groups if groups[name] == group}
        assert len(members) == 1
    assert sum(map(len, parts.values())) == 120
    assert 70 <= len(parts["train"]) <= 100 and parts["val"] and parts["test"]


def test_groups_from_a_table_and_duplicates(tmp_path):
    coco = make_coco([["a"]] * 30, tmp_path)
    (tmp_path / "groups.csv").write_text("image,slide\n001,x\n002.jpg,x\n003,y\n")
    groups = group_by_table(coco, tmp_path / "groups.csv", "slide")
    assert groups == {"001.jpg": "x", "002.jpg": "x", "003.jpg": "y"}
    (tmp_path / "report.json").write_text('{"duplicates": [["002.jpg", "009.jpg"]]}')
    joined = keep_duplicates_together(groups, tmp_path / "report.json")
    assert joined["001.jpg"] == joined["002.jpg"] == joined["009.jpg"] != "y"
    with pytest.raises(DataError, match="has no column 'plate'"):
        group_by_table(coco, tmp_path / "groups.csv", "plate")
    (tmp_path / "groups.csv").write_text("image,slide,note\n001,NA,\n002,,x\n,y,x\n")
    groups = group_by_table(coco, tmp_path / "groups.csv", "slide")
    assert groups == {"001.jpg": "NA"}
    (tmp_path / "groups.csv").write_text("image,slide\nelsewhere,x\n")
    with pytest.raises(UsageError, match="gives no image of the data set a slide"):
        group_by_table(coco, tmp_path / "groups.csv", "slide")
    with pytest.raises(UsageError, match="matches no image name"):
        group_by_pattern(coco, "zzz")


def test_each_image_is_validated_in_one_fold(tmp_path):
    coco = make_coco([["a"], ["b"], []] * 20, tmp_path)
    wanted = {name: str(fraction) for name, fraction in FRACTIONS.items()}
    tested, validated = set(), []
    for fold in range(4):
        folder = tmp_path / str(fold)
        split(coco, folder, wanted, 0, fold=(fold, 4))
        tested.add((folder / "test.txt").read_text())
        train, val = (
            (folder / f"{name}.txt").read_text().split() for name in ("train", "val")
        )
        assert not set(train) & set(val)
        validated += val
    assert len(tested) == 1
    rest = {image["file_name"] for image in coco.images} - set(tested.pop().split())
    assert sorted(validated) == sorted(rest)
    with pytest.raises(UsageError, match="fold 4 of 4"):
        split(coco, tmp_path / "x", wanted, 0, fold=(4, 4))


def split_with(tmp_path, coco, fraction: float, wanted=None, **how) -> dict:
    """Split, learning from a fraction; return the text of each list and COCO file."""
    wanted = wanted or {name: str(one) for name, one in FRACTIONS.items()}
    folder = tmp_path / f"fraction {fraction}"
    split(coco, folder, wanted, seed=3, train_fraction=fraction, **how)
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("folds", [None, (1, 4)])
@pytest.mark.parametrize("listed", [False, True])
def test_a_fraction_of_train_leaves_val_and_test_as_they_are(tmp_path, listed, folds):
    coco = make_coco([["a"], ["b"], []] * 20, tmp_path)
    wanted = None
    if listed:
        names = [image["file_name"] for image in coco.images]
        parts = {"train": names[:40], "val": names[40:50], "test": names[50:]}
        wanted = write_lists(tmp_path, **parts)
    whole = split_with(tmp_path, coco, 1, wanted, fold=folds)
    part = split_with(tmp_path, coco, 0.3, wanted, fold=folds)
    assert part.keys() == whole.keys()
    changed = {name for name in whole if part[name] != whole[name]}
    assert changed == {"train.txt", "train.json", "trainval.json"}
    every, kept = (set(one["train.txt"].split()) for one in (whole, part))
    assert kept < every and len(kept) == round(0.3 * len(every))
    folder = tmp_path / "fraction 0.3"
    train = CocoFile.read(folder / "train.json")
    assert {image["file_name"] for image in train.images} == kept
    assert set(train.left_out) == every - kept
    both = CocoFile.read(folder / "trainval.json")
    val = set(part["val.txt"].split())
    assert {image["file_name"] for image in both.images} == kept | val


def test_a_fraction_of_one_changes_no_byte(tmp_path):
    coco = make_coco([["a"], ["b"]] * 20, tmp_path)
    wanted = {name: str(one) for name, one in FRACTIONS.items()}
    split(coco, tmp_path / "as before", wanted, 3)
    before = {one.name: one.read_text() for one in (tmp_path / "as before").iterdir()}
    assert split_with(tmp_path, coco, 1.0) == before


def test_what_a_fraction_has_a_larger_one_has_too(tmp_path):
    coco = make_coco([["a"] * (i % 7) + ["b"] * (i % 3) for i in range(97)], tmp_path)
    before: set[str] = set()
    for hundredths in range(1, 101):
        names = set(first_images(coco, hundredths / 100, seed=5))
        assert before <= names
        assert len(names) == round(hundredths / 100 * 97)
        before = names
    quarter = first_images(coco, 0.25, seed=5)
    assert quarter == first_images(coco, 0.25, seed=5)
    assert quarter != first_images(coco, 0.25, seed=6)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.4, 0.5, 0.75])
def test_each_fraction_has_its_share_of_each_class(tmp_path, fraction):
    # All have a, every 4th has b, every 20th has c, and 40 images are empty.
    objects = [["a"] + ["b"] * (i % 4 == 0) + ["c"] * (i % 20 == 0) for i in range(200)]
    coco = make_coco(objects + [[]] * 40, tmp_path)
    part = coco.subset(first_images(coco, fraction, seed=1))
    for category, total in ((1, 200), (2, 50), (3, 10)):
        found = sum(item["category_id"] == category for item in part.annotations)
        assert abs(found - fraction * total) <= 2


def test_a_fraction_takes_groups_as_a_whole(tmp_path):
    coco = make_coco([["a"] + ["b"] * (i % 3 == 0) for i in range(120)], tmp_path)
    groups = group_by_pattern(coco, r"^(\d\d)")
    before: set[str] = set()
    for fraction in (0.2, 0.5, 0.8):
        names = set(first_images(coco, fraction, 0, groups))
        assert before < names and abs(len(names) - 120 * fraction) <= 10
        for group in set(groups.values()):
            members = {name for name in groups if groups[name] == group}
            assert members <= names or not members & names
        before = names


def test_a_fraction_that_leaves_nothing_is_one_line(tmp_path):
    coco = make_coco([["a"]] * 20, tmp_path)
    with pytest.raises(DataError, match=r"fraction 0\.02: leaves none of the 14 train"):
        split_with(tmp_path, coco, 0.02)
    assert not list((tmp_path / "fraction 0.02").glob("*"))
    for fraction in (0, -0.5, 1.5, float("nan")):
        with pytest.raises(UsageError, match="give a number above 0, 1 at most"):
            split_with(tmp_path, coco, fraction)
