"""How fast a machine trains: assumed, measured, and kept."""

import subprocess
import sys

import pytest

from mmdet_flow.errors import ModelError
from mmdet_flow.start.init import speed, trial
from mmdet_flow.start.init.speed import assumed_speed, decoding_seconds, speed_here
from mmdet_flow.start.init.trial import Trial, try_preset
from tests.dataset.voc_data import make_picture


def test_an_assumed_speed_goes_with_area_and_cores():
    boxes = assumed_speed("small-boxes", 2)
    assert boxes.seconds_per_image(320, (640, 480)) == pytest.approx(1 / 11.7)
    assert boxes.seconds_per_image(640, (640, 480)) == pytest.approx(4 / 11.7)
    twice = assumed_speed("small-boxes", 4).seconds_per_image(320, (480, 640))
    assert twice == pytest.approx(1 / 11.7 / 2)
    masks = assumed_speed("small-masks", 2).seconds_per_image(320, (320, 160))
    assert masks == pytest.approx(1 / 7.5 / 1.5)
    # A batch of 4 keeps no more than these busy.
    assert assumed_speed("small-boxes", 64) == assumed_speed("small-boxes", 8) or (
        assumed_speed("small-boxes", 64).per_pixel
        == assumed_speed("small-boxes", 8).per_pixel
    )


TRIAL = Trial(
    seconds=((19200, 0.05), (76800, 0.11)), validated=0.055, start=20.0, others=0.0
)


@pytest.fixture
def trials(monkeypatch, tmp_path):
    """Trials that take no time; returns those that are to come, and what was tried."""
    monkeypatch.setenv("MMDET_FLOW_CACHE", str(tmp_path / "cache"))
    results, tried = [], []

    def run(preset, threads):
        tried.append((preset, threads))
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(speed, "try_preset", run)
    return results, tried


def test_two_sizes_tell_what_an_image_takes_and_what_a_pixel_does(trials):
    results, _ = trials
    results.append(TRIAL)
    found = speed_here("small-boxes", 2)
    assert found.seconds_per_image(320, (640, 480)) == pytest.approx(0.11)
    assert found.seconds_per_image(160, (640, 480)) == pytest.approx(0.05)
    # 4 times the pixels of 320 by 240, of which 0.03 seconds are no matter of size.
    assert found.seconds_per_image(640, (640, 480)) == pytest.approx(0.35)
    assert (found.validated, found.start) == (pytest.approx(0.5), 20)
    slower = found.with_decoding(0.09)
    assert slower.seconds_per_image(320, (640, 480)) == pytest.approx(0.2)


def test_what_was_measured_is_known_for_this_preset_and_these_threads(trials):
    results, tried = trials
    results += [TRIAL, TRIAL]
    first = speed_here("small-boxes", 2)
    assert speed_here("small-boxes", 2) == speed_here("small-boxes", 2, True) == first
    assert speed_here("small-masks", 2, quick=True) == assumed_speed("small-masks", 2)
    speed_here("small-boxes", 1)
    assert tried == [("small-boxes", 2), ("small-boxes", 1)]


def test_what_was_measured_beside_other_work_is_told_and_not_kept(trials, caplog):
    caplog.set_level("INFO", "mmdet_flow")
    results, tried = trials
    results += [Trial(TRIAL.seconds, 0.1, 20.0, others=0.4), TRIAL]
    assert "while others used 40% of the CPUs" in speed_here("small-boxes", 2).basis
    assert "others used 40% of the CPUs meanwhile, so the speed is not kept" in (
        caplog.text
    )
    caplog.clear()
    assert "others" not in speed_here("small-boxes", 2).basis
    assert "not kept" not in caplog.text and "measuring" in caplog.text
    assert len(tried) == 2


def test_a_machine_that_cannot_be_measured_is_as_assumed(trials, caplog):
    results, _ = trials
    results.append(ModelError("mmdet-flow model train: no space"))
    assert speed_here("small-boxes", 2) == assumed_speed("small-boxes", 2)
    assert "and is assumed: mmdet-flow model train: no space" in caplog.text


def test_decoding_takes_longer_for_larger_images(tmp_path):
    small, large = tmp_path / "small.jpg", tmp_path / "large.jpg"
    make_picture(small, 0, (64, 48))
    make_picture(large, 0, (2000, 1500))
    (tmp_path / "none.jpg").write_bytes(b"none")
    fast, slow = decoding_seconds([small] * 6), decoding_seconds([large] * 6)
    assert 0 < fast < slow < 10
    assert decoding_seconds([tmp_path / "none.jpg"]) == decoding_seconds([]) == 0


def test_work_of_others_is_told_from_that_of_children():
    """A child that computes for half a second is none of the others."""
    busy, own = trial._busy_seconds(), trial._seconds_of_children()
    work = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert 0.5 <= trial._seconds_of_children() - own < 5
    assert trial._busy_seconds() - busy >= 0.4


@pytest.mark.slow
def test_a_preset_is_tried_by_a_real_training():
    """Images of four times the pixels take longer, if not four times as long."""
    tried = try_preset("small-boxes", 1)
    (few, fast), (many, slow) = tried.seconds
    assert (few, many) == (160 * 120, 320 * 240)
    assert 1 < slow / fast < 8 and 0 < tried.validated < 3 * slow
    assert tried.start > 1 and 0 <= tried.others <= 1
