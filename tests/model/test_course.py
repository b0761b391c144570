"""How a training goes through its plan when it ends early."""

import math
from types import SimpleNamespace

import pytest

from mmdet_flow.model.course import Course
from mmdet_flow.model.stages import Switches


def places(course: Course) -> list[int]:
    return [course.place(done) for done in range(course.end + 1)]


def test_without_a_turn_the_plan_is_followed():
    course = Course(5)
    assert places(course) == [0, 1, 2, 3, 4, 5] and course.end == 5
    assert [course.when(place) for place in range(6)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("turns", "end"),
    [
        ([(20, 60)], 60),
        ([(0, 2)], 2),
        ([(20, 60), (40, 45), (41, 43)], 43),
        ([(20, 40), (30, 60)], 60),
    ],
)
def test_the_last_iteration_is_the_last_of_the_plan_after_any_turn(turns, end):
    course = Course(100)
    for turn in turns:
        before, course = course, course.turned(*turn)
        same = range(turn[0] + 1)
        assert [course.place(i) for i in same] == [before.place(i) for i in same]
    assert course.end == end
    passed = places(course)
    assert passed[-2:] == [99, 100] and passed == sorted(set(passed))


def test_after_a_turn_the_rest_of_the_plan_is_gone_through_evenly():
    course = Course(100).turned(20, 60)
    steps = {later - place for place, later in zip(*two(places(course)), strict=True)}
    assert steps == {1, 2, 3} and course.place(40) == 60
    assert course.when(60) == 40 and course.when(100) == 60


def two(values: list) -> tuple[list, list]:
    return values[:-1], values[1:]


@pytest.mark.parametrize("turn", [(20, 21), (20, 101), (-1, 50), (70, 60)])
def test_a_turn_that_ends_at_once_or_after_the_plan_is_none(turn):
    with pytest.raises(ValueError, match="cannot be decided"):
        Course(100).turned(*turn)


@pytest.mark.parametrize("turn", [(50, 70), (60, 100)])
def test_a_turn_lies_after_the_one_before_and_never_makes_the_plan_slower(turn):
    """After 60 iterations 66 of the plan are over, so 34 are left."""
    course = Course(100).turned(50, 80)
    assert course.latest_end(60) == 94 and course.turned(60, 94).end == 94
    with pytest.raises(ValueError, match="cannot be decided"):
        course.turned(*turn)


def test_hooks_change_images_where_the_plan_has_them_changed():
    """At epoch 6 of 10, or 3 epochs and one before the end, each of 10 iterations."""
    growing = SimpleNamespace(switch_epoch=6)
    yolox = SimpleNamespace(num_last_epochs=3)
    switches = Switches([growing, SimpleNamespace(), yolox], length=10, epochs=10)
    course = Course(100)
    assert switches.follow(course, 60) == [True, True]
    assert (growing.switch_epoch, yolox.num_last_epochs) == (6, 3)
    course = course.turned(25, 45)
    assert switches.follow(course, 25) == [False, False]
    assert (growing.switch_epoch, yolox.num_last_epochs) == (math.inf, -math.inf)
    first = course.when(60)
    assert switches.reached(course, first - 1) == [False, False]
    assert switches.follow(course, first) == [True, True]
    assert (growing.switch_epoch, yolox.num_last_epochs) == (-math.inf, math.inf)
