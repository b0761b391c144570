"""Rounds of labelling, compared on the test images that they share."""

import csv

import pytest

from mmdet_flow.dataset.hashes import write_hashes
from tests.comparison.results import write_learned
from tests.conftest import command_of
from tests.evaluation.scenes import found_in, truth_of, with_masks

main = command_of("compare rounds")

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
IMAGES = [[LEAF], [LEAF, SHELL], [SHELL]]
TRUTH = truth_of(*IMAGES)
ALL = found_in([(*LEAF, 0.9)], [(*LEAF, 0.9), (*SHELL, 0.8)], [(*SHELL, 0.9)])
HALF = found_in([(*LEAF, 0.9)], [(*SHELL, 0.8)], [("leaf", 0, 0, 9, 9, 0.9)])


def write_round(folder, found, labelled: int, truth=TRUTH):
    return write_learned(folder, truth, found, labelled)


def rows_of(tmp_path, *folders) -> list[dict]:
    table, picture = tmp_path / "rounds.csv", tmp_path / "rounds.png"
    options = ["--csv", table, "--png", picture, "--bootstrap", 50]
    assert main([*folders, *options]) == 0
    with open(table, newline="") as stream:
        return list(csv.DictReader(stream))


def test_each_round_has_its_images_its_map_and_its_gain(tmp_path, capsys):
    first = write_round(tmp_path / "cells", HALF, 3)
    second = write_round(tmp_path / "loop-round1", ALL, 5)
    before, after = rows_of(tmp_path, first, second)
    assert (before["experiment"], before["labelled_images"]) == ("cells", "3")
    assert (after["experiment"], after["labelled_images"]) == ("loop-round1", "5")
    assert before["bbox_gain"] == before["bbox_gain_low"] == "n/a"
    low, value, high = (
        float(before[f"bbox_{one}"]) for one in ("mAP_low", "mAP", "mAP_high")
    )
    assert low <= value <= high and value < 1
    # All images are right in the second round, which gives no interval.
    ends = [after[f"bbox_mAP{one}"] for one in ("", "_low", "_high")]
    assert ends == ["1.0", "n/a", "n/a"]
    gain = float(after["bbox_gain"])
    assert gain == pytest.approx(1 - float(before["bbox_mAP"]), abs=1e-4)
    assert float(after["bbox_gain_low"]) <= gain <= float(after["bbox_gain_high"])
    assert "bbox_mAP_low" in after and "segm_mAP" not in after
    said = capsys.readouterr().err
    assert "cells: 3 labelled images" in said and "WARNING" not in said
    made = [(tmp_path / f"rounds.{end}").read_bytes() for end in ("csv", "png")]
    rows_of(tmp_path, first, second)
    again = [(tmp_path / f"rounds.{end}").read_bytes() for end in ("csv", "png")]
    assert again == made and str(tmp_path).encode() not in b"".join(made)


def test_another_test_split_is_told_and_not_compared(tmp_path, capsys):
    first = write_round(tmp_path / "cells", HALF, 3)
    other = write_round(tmp_path / "other", ALL[:1], 4, truth_of([LEAF], [SHELL]))
    third = write_round(tmp_path / "third", ALL, 6)
    rows = rows_of(tmp_path, first, other, third)
    (warning,) = [
        line for line in capsys.readouterr().err.splitlines() if "WARNING" in line
    ]
    assert warning == (
        "WARNING other: has another test split than cells (1 of 2 images are there "
        "with these annotations), so the two are not compared; measure both on one "
        "split"
    )
    assert [row["test_images"] for row in rows] == ["3", "2", "3"]
    assert rows[0]["test_set"] == rows[2]["test_set"] != rows[1]["test_set"]
    # The third is compared with the last one before it that was tested alike.
    assert rows[1]["bbox_gain"] == "n/a"
    gain = float(rows[2]["bbox_mAP"]) - float(rows[0]["bbox_mAP"])
    assert float(rows[2]["bbox_gain"]) == pytest.approx(gain, abs=1e-4)


def test_other_pixels_are_another_test_split(tmp_path, capsys):
    folders = [
        write_round(tmp_path / name, HALF, 3) for name in ("cells", "loop-round1")
    ]
    for seed, folder in zip("ab", folders, strict=True):
        rows = [(image["file_name"], seed * 64) for image in TRUTH.images]
        write_hashes(rows, folder / "dataset/images.csv")
    _, second = rows_of(tmp_path, *folders)
    assert "loop-round1: has another test split than cells" in capsys.readouterr().err
    assert second["bbox_gain"] == "n/a"


def test_masks_have_columns_of_their_own(tmp_path):
    first = write_round(tmp_path / "cells", with_masks(HALF), 3)
    second = write_round(tmp_path / "loop-round1", with_masks(ALL), 5)
    _, after = rows_of(tmp_path, first, second)
    assert 0 < float(after["segm_gain"]) < float(after["segm_mAP"]) < 1
