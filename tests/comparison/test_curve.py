"""Learning curves: the mAP by the labelled images, and what more of them would give."""

import csv

import numpy as np
import pytest

from mmdet_flow.comparison.curve import look_ahead, mean_of_runs
from mmdet_flow.comparison.power_law import fit
from tests.comparison.results import write_learned
from tests.conftest import command_of
from tests.evaluation.scenes import found_in, truth_of, with_masks

main = command_of("compare curve")

LEAF = ("leaf", 0, 0, 40, 40)
TESTED = 120
TRUTH = truth_of(*[[LEAF]] * TESTED)
SIZES = (20, 40, 80, 160)


def known(images: float) -> float:
    """The mAP of a model that learned from so many images, of all test images."""
    return 0.9 - 3 * images**-0.6


def found_by(images: float, seed: int = 0) -> list[dict]:
    """Return what this model finds: as many of the objects as its mAP says, rightly."""
    order = np.random.default_rng(7).permutation(TESTED)
    count = round(known(images) * TESTED)
    found = set(order[:count].tolist())
    if seed:  # another seed finds others, and some more
        found = set(np.roll(order, seed)[: count + 3 * seed].tolist())
    return found_in(*([(*LEAF, 0.9)] if n in found else [] for n in range(TESTED)))


def write_curve(root, sizes=SIZES, **how) -> list:
    return [
        write_learned(root / f"curve-{size}", TRUTH, found_by(size), size, **how)
        for size in sizes
    ]


def rows_of(tmp_path, *folders, more: int = 30) -> list[dict]:
    table, picture = tmp_path / "curve.csv", tmp_path / "curve.png"
    options = ["--csv", table, "--png", picture, "--bootstrap", 200, "--more", more]
    assert main([*folders, *options]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    with open(table, newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_forecast_has_what_a_known_curve_gives(tmp_path, capsys):
    folders = write_curve(tmp_path)
    *measured, forecast = rows_of(tmp_path, *reversed(folders))
    assert [int(row["labelled_images"]) for row in measured] == list(SIZES)
    for row, size in zip(measured, SIZES, strict=True):
        assert row["kind"] == "measured" and row["runs"] == "1"
        assert float(row["bbox_mAP"]) == pytest.approx(known(size), abs=0.01)
        low, high = float(row["bbox_mAP_low"]), float(row["bbox_mAP_high"])
        assert low < known(size) < high
    assert (forecast["kind"], forecast["labelled_images"]) == ("forecast", "190")
    low, value, high = (
        float(forecast[f"bbox_mAP{end}"]) for end in ("_low", "", "_high")
    )
    assert value == pytest.approx(known(190), abs=0.015)
    assert low < known(190) < high < low + 0.2
    low, gain, high = (
        float(forecast[f"bbox_gain{end}"]) for end in ("_low", "", "_high")
    )
    assert 0 < low < known(190) - known(160) < high < 0.04
    said = capsys.readouterr().err
    head = "curve, boxes: 30 more labelled images (190 instead of 160) would give"
    assert f"{head} an mAP of about {value:.3f} (" in said and f"{gain:+.3f}" in said
    assert "without the luck of a training" in said and "a guess" not in said
    made = [(tmp_path / f"curve.{end}").read_bytes() for end in ("csv", "png")]
    rows_of(tmp_path, *folders)
    again = [(tmp_path / f"curve.{end}").read_bytes() for end in ("csv", "png")]
    assert again == made and str(tmp_path).encode() not in b"".join(made)


def test_seeds_are_one_row_with_their_spread(tmp_path, capsys):
    folders = [
        write_learned(
            *(tmp_path / f"curve-{size}-seed{seed}", TRUTH),
            *(found_by(size, seed), size),
            seed=seed,
        )
        for size in (20, 60, 180)
        for seed in (0, 1)
    ]
    rows = rows_of(tmp_path, *folders, more=200)
    assert [row["runs"] for row in rows] == ["2", "2", "2", "n/a"]
    least, most = (float(rows[0][f"bbox_mAP_{end}"]) for end in ("min", "max"))
    assert least < most
    assert float(rows[0]["bbox_mAP"]) == pytest.approx((least + most) / 2, abs=1e-4)
    spread = float(rows[0]["bbox_mAP_sd"])
    assert spread == pytest.approx((most - least) / 2**0.5, abs=1e-4)
    said = capsys.readouterr().err
    assert "the luck of a training" not in said and "a guess" in said


def test_too_few_sizes_and_a_flat_curve_are_words(tmp_path, capsys):
    two = write_curve(tmp_path / "two", (20, 80))
    rows = rows_of(tmp_path, *two)
    assert [row["kind"] for row in rows] == ["measured"] * 2
    assert (
        "curve, boxes: 30 more labelled images: no forecast, because 2 sizes of "
        "training data (20, 80 labelled images) cannot tell; it takes 3"
    ) in capsys.readouterr().err
    flat = [
        write_learned(tmp_path / f"flat-{size}", TRUTH, found_by(50), size)
        for size in SIZES
    ]
    rows = rows_of(tmp_path, *flat)
    assert [row["kind"] for row in rows] == ["measured"] * 4
    assert "no forecast, because from 20 to 160 images the mAP changes by +0.000 " in (
        capsys.readouterr().err
    )


def test_another_test_split_is_told_and_left_out(tmp_path, capsys):
    folders = write_curve(tmp_path, (20, 40, 80))
    other = truth_of([LEAF], [LEAF])
    found = found_in([(*LEAF, 0.9)], [])
    folders.append(write_learned(tmp_path / "curve-other", other, found, 160))
    rows = rows_of(tmp_path, *folders)
    assert [row["labelled_images"] for row in rows] == ["20", "40", "80", "110"]
    said = capsys.readouterr().err
    assert "curve-other: has another test split than curve-20 (2 of 2 images" in said


def test_a_training_that_repeats_another_one_is_no_second_seed(tmp_path, capsys):
    """Such as the base of a campaign, which has all images and the first seed, too."""
    folders = write_curve(tmp_path, (20, 60, 180))
    base = write_learned(tmp_path / "base", TRUTH, found_by(180), 180)
    rows = rows_of(tmp_path, *folders, base, tmp_path / "base/../curve-20")
    assert [row["runs"] for row in rows] == ["1", "1", "1", "n/a"]
    said = capsys.readouterr().err
    assert f"{base}: has recipe, images and seed of {folders[-1]}, so it is" in said
    assert "without the luck of a training" in said


def test_those_that_learn_in_another_way_are_a_curve_of_their_own(tmp_path, capsys):
    sizes = (20, 60, 180)
    slow = [
        write_learned(tmp_path / f"slow-{n}", TRUTH, with_masks(found_by(n / 2)), n)
        for n in sizes
    ]
    fast = [
        write_learned(tmp_path / f"fast-{n}", TRUTH, found_by(n), n, lr=0.02)
        for n in sizes
    ]
    rows = rows_of(tmp_path, *slow, *fast)
    assert [row["curve"] for row in rows] == ["slow"] * 4 + ["fast"] * 4
    assert float(rows[4]["bbox_mAP"]) > float(rows[0]["bbox_mAP"])
    assert float(rows[2]["segm_mAP"]) > 0 and rows[6]["segm_mAP"] == "n/a"
    assert "slow, masks: 30 more" in capsys.readouterr().err


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.2])
def test_a_power_law_is_found_again(exponent):
    images = np.array([25, 50, 100, 200])
    values = 0.8 - 0.5 * (images / 25) ** -exponent
    law = fit(images, values[None])
    ahead = 0.8 - 0.5 * (400 / 25) ** -exponent
    assert law.at([400])[0, 0] == pytest.approx(ahead, abs=2e-3)
    assert np.abs(law.at(images)[0] - values).max() < 1e-3


def test_a_curve_never_falls_and_never_passes_1():
    values = np.array([[0.6, 0.5, 0.4], [0.1, 0.3, 0.9], [0.5, 0.5, 0.5]])
    ahead = fit(np.array([10, 20, 40]), values).at(np.array([40, 80, 10_000]))
    assert (np.diff(ahead, axis=1) >= 0).all() and ahead.max() <= 1
    assert ahead[0] == pytest.approx(0.5) and ahead[2] == pytest.approx(0.5)


def draws(values, scatter: float, together: float = 0.0) -> np.ndarray:
    """Return an mAP at each size, and draws that scatter around it."""
    rng = np.random.default_rng(1)
    values = np.array(values, float)
    each = rng.normal(0, scatter, (400, len(values)))
    return np.vstack([values, values + each + rng.normal(0, together, (400, 1))])


def test_a_forecast_that_says_nothing_is_none():
    images = np.array([20, 40, 80, 160])
    rising = [known(n) for n in images]
    found, why_not = look_ahead(images, draws(rising, 0.002), 30)
    assert not why_not and found.gain["low"] > 0
    # What the test images do to all alike does not make the gain less sure.
    found, _ = look_ahead(images, draws(rising, 0.002, together=0.05), 30)
    assert found.gain["low"] > 0
    found, why_not = look_ahead(images, draws([0.5, 0.51, 0.52, 0.53], 0.008), 5000)
    assert found is None and "wider than all that was gained" in why_not
    falling = draws([0.5, 0.45, 0.4, 0.38], 0.01)
    assert "not seen to rise" in look_ahead(images, falling, 30)[1]
    nothing = draws(rising, 0.01)
    nothing[1:] = np.nan
    assert "in one of them" in look_ahead(images, nothing, 30)[1]


@pytest.mark.parametrize(
    ("seeds", "scatter", "least", "most"),
    [
        (1, 0.0, 0.9, 1.0),
        (3, 0.01, 0.85, 1.0),
        # One seed does not show how much trainings scatter: the line says so.
        (1, 0.01, 0.3, 0.7),
    ],
)
def test_the_interval_holds_the_true_gain_as_often_as_told(seeds, scatter, least, most):
    """Simulated: what test images and trainings do to models of a known curve."""
    images, more = np.array([95, 146, 249]), 30
    rng = np.random.default_rng(0)
    wanted = known(images[-1] + more) - known(images[-1])
    held = []
    for _ in range(100):
        luck, together = rng.normal(0, 0.012), rng.normal(0, 0.012, 200)
        columns = []
        for size in images:
            real = known(size) + luck + rng.normal(0, 0.004, seeds)
            real += rng.normal(0, scatter, seeds)
            drawn = real[:, None] + together + rng.normal(0, 0.004, (seeds, 200))
            columns.append(mean_of_runs(np.column_stack([real, drawn]), rng))
        found, why_not = look_ahead(images, np.transpose(columns), more)
        assert found, why_not
        held.append(found.gain["low"] <= wanted <= found.gain["high"])
    assert least <= np.mean(held) <= most, np.mean(held)
