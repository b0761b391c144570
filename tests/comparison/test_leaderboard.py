import csv
import re
import statistics

import pytest

from tests.comparison.results import write_experiment, write_times
from tests.conftest import command_of
from tests.evaluation.scenes import found_in, truth_of, with_masks

main = command_of("compare leaderboard")

LEAF, SHELL = ("leaf", 0, 0, 40, 40), ("shell", 50, 50, 40, 40)
TRUTH = truth_of([LEAF], [LEAF, SHELL])
ALL = found_in([(*LEAF, 0.9)], [(*LEAF, 0.9), (*SHELL, 0.8)])
HALF = found_in([(*LEAF, 0.9)], [(*SHELL, 0.8)])
NONE = found_in([], [("leaf", 60, 0, 20, 20, 0.9)])


@pytest.fixture
def ranked(tmp_path):
    """Return a function that ranks experiments and returns the rows of the table."""

    def rank(*folders) -> list[dict]:
        code = main(
            [
                *map(str, folders),
                *("--csv", str(tmp_path / "leaderboard.csv")),
                *("--html", str(tmp_path / "leaderboard.html")),
            ]
        )
        assert code == 0
        with open(tmp_path / "leaderboard.csv", newline="") as stream:
            return list(csv.DictReader(stream))

    return rank


def test_the_best_comes_first_whatever_the_order(tmp_path, ranked):
    for name, found, lr in (("a", NONE, 1), ("b", ALL, 2), ("c", HALF, 3)):
        write_experiment(tmp_path / name, TRUTH, found, lr=lr)
    rows = ranked(*(tmp_path / name for name in "abc"))
    assert [row["experiment"] for row in rows] == ["b", "c", "a"]
    assert [row["bbox_mAP"] for row in rows][::2] == ["1.0", "0.0"]
    first = (tmp_path / "leaderboard.csv").read_bytes()
    page = (tmp_path / "leaderboard.html").read_bytes()
    (tmp_path / "leaderboard.csv").unlink()
    ranked(*(tmp_path / name for name in "cab"))
    assert (tmp_path / "leaderboard.csv").read_bytes() == first
    assert (tmp_path / "leaderboard.html").read_bytes() == page
    assert str(tmp_path).encode() not in first + page


def test_seeds_are_a_group_with_mean_and_spread(tmp_path, ranked):
    for seed, found in enumerate((ALL, HALF, NONE)):
        folder = tmp_path / f"cells-tiny-seed{seed}"
        write_experiment(folder, TRUTH, found, seed=seed)
        write_times(folder, seconds=60 * (seed + 1), images=10, predicting=2)
    write_experiment(tmp_path / "cells-large-seed0", TRUTH, ALL, lr=1)
    alone, group, *members = ranked(*sorted(tmp_path.glob("cells-*")))
    assert alone["experiment"] == "cells-large-seed0" and alone["n"] == "1"
    assert group["group"] == "cells-tiny" and group["n"] == "3"
    assert [row["group"] for row in members] == ["cells-tiny"] * 3
    assert [row["seed"] for row in members] == ["0", "1", "2"]
    values = [float(row["bbox_mAP"]) for row in members]
    for key, wanted in (
        ("", statistics.mean(values)),
        ("_sd", statistics.stdev(values)),
        ("_min", min(values)),
        ("_max", max(values)),
    ):
        assert float(group[f"bbox_mAP{key}"]) == pytest.approx(wanted, abs=1e-4)
    assert float(group["train_minutes"]) == 2
    assert members[0]["bbox_mAP_sd"] == alone["train_minutes"] == "n/a"
    page = (tmp_path / "leaderboard.html").read_text()
    assert "(3 seeds)" in page and page.count('class="member"') == 3


def test_a_repeated_seed_is_no_further_sample(tmp_path, ranked):
    for name, seed in (("a", 0), ("b", 1), ("again", 0)):
        write_experiment(tmp_path / name, TRUTH, ALL, seed=seed)
    rows = ranked(*(tmp_path / name for name in ("a", "b", "again")))
    assert {row["n"] for row in rows if row["group"] != "n/a"} == {"2", "1"}
    assert [r["group"] for r in rows if r["experiment"] == "again"] == ["n/a"]


def test_what_is_not_known_is_na_and_masks_stand_where_they_are(tmp_path, ranked):
    write_experiment(tmp_path / "boxes", TRUTH, HALF)
    write_experiment(tmp_path / "masks", TRUTH, with_masks(ALL), lr=1)
    masks, boxes = ranked(tmp_path / "boxes", tmp_path / "masks")
    assert boxes["segm_mAP"] == "n/a" and 0 < float(masks["segm_mAP"]) < 1
    assert boxes["train_minutes"] == boxes["images_per_second"] == "n/a"
    assert masks["AP_leaf"] == "1.0" and masks["AP_pebble"] == "n/a"
    assert masks["parameters"] == boxes["parameters"] and int(masks["parameters"]) > 4e6
    assert masks["checkpoint_mb"] == "1.0"


def test_other_test_images_stand_in_another_table(tmp_path, ranked):
    write_experiment(tmp_path / "a", TRUTH, HALF)
    write_experiment(tmp_path / "b", truth_of([LEAF]), ALL[:1])
    rows = ranked(tmp_path / "a", tmp_path / "b")
    assert [row["test_images"] for row in rows] == ["2", "1"]
    assert len({row["test_set"] for row in rows}) == 2
    page = (tmp_path / "leaderboard.html").read_text()
    assert re.findall(r"<h2>(\d) test images", page) == ["2", "1"]


def test_names_are_shown_as_they_are_and_not_twice(tmp_path, ranked, capsys):
    write_experiment(tmp_path / "a&b", TRUTH, HALF)
    write_experiment(tmp_path / "old" / "a&b", TRUTH, HALF)
    ranked(tmp_path / "a&b")
    assert "a&amp;b" in (tmp_path / "leaderboard.html").read_text()
    options = [str(tmp_path / "a&b"), str(tmp_path / "old/a&b")]
    assert main([*options, "--csv", str(tmp_path / "two.csv")]) == 2
    assert "a&b: 2 folders have this name" in capsys.readouterr().err
    assert not (tmp_path / "two.csv").exists()
