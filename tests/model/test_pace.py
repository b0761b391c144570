"""How long a training is said to take, from what was measured so far."""

import pytest

from mmdet_flow.model.pace import FORGOTTEN, Pace
from mmdet_flow.model.rehearsal import Rehearsal

NOTHING = Rehearsal()


def pace_after(seconds, firsts=(0,), total=100, rehearsal=NOTHING, validations=()):
    """Return a pace that knows the first iterations, which took ``seconds``."""
    pace = Pace(firsts, total, rehearsal, validations)
    for iteration, each in enumerate(seconds):
        pace.add(iteration, each)
    return pace


def test_all_iterations_take_what_those_after_the_first_took():
    pace = pace_after([9.0] * FORGOTTEN + [2.0] * 15)
    assert pace.seconds_left(20) == 160 and pace.mean == 2


def test_a_slow_phase_is_forgotten():
    pace = pace_after([1.0] * 20 + [30.0] * 10 + [1.0] * 40)
    assert pace.seconds_left(70) == 30


def test_a_stage_to_come_takes_more_by_what_its_rehearsal_took_more():
    """The rest of an iteration, as loading and the update, is the same in both."""
    rehearsal = Rehearsal(steps=(1.0, 4.0))
    pace = pace_after([1.5] * 20, firsts=(0, 60), rehearsal=rehearsal)
    assert pace.seconds_left(20) == 40 * 1.5 + 40 * 4.5
    assert pace.mean == pytest.approx((60 * 1.5 + 40 * 4.5) / 100)


def test_a_stage_takes_what_was_measured_once_it_is_reached():
    rehearsal = Rehearsal(steps=(1.0, 4.0))
    pace = pace_after([1.5] * 60 + [5.0] * 10, (0, 60), rehearsal=rehearsal)
    assert pace.seconds_left(70) == 30 * 5
    assert pace.seconds_of(59) == 1.5


def test_a_training_that_is_resumed_late_knows_its_earlier_stage_by_the_rehearsal():
    pace = Pace((0, 60), 100, Rehearsal(steps=(1.0, 4.0)))
    for iteration in range(80, 90):
        pace.add(iteration, 4.5)
    assert pace.seconds_left(90) == 45
    assert pace.mean == pytest.approx((60 * 1.5 + 40 * 4.5) / 100)


def test_validations_count_as_rehearsed_and_then_as_measured():
    rehearsal = Rehearsal(validation=10.0)
    pace = pace_after([1.0] * 20, rehearsal=rehearsal, validations=(50, 100))
    assert pace.seconds_left(20) == 80 + 20
    pace.validated(6.0)
    assert pace.seconds_left(60) == 40 + 6
