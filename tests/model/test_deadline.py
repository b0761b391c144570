"""Whether a training that runs late is ended in time."""

import random

import pytest

from mmdet_flow.model import deadline
from mmdet_flow.model.deadline import LEAST_LEFT, Deadline
from mmdet_flow.model.pace import Pace
from mmdet_flow.model.rehearsal import Rehearsal

PLANNED = 1000
LIMIT = 1200.0


class Simulation:
    """A training whose clock is its own; ``step`` gives the seconds of an iteration."""

    def __init__(self, step, monkeypatch, started=0.0, firsts=(0,), steps=()) -> None:
        self.now = started
        monkeypatch.setattr(deadline.time, "monotonic", lambda: self.now)
        rehearsal = Rehearsal(steps=steps, validation=30.0)
        validations = range(250, PLANNED + 1, 250)
        self.pace = Pace(firsts, PLANNED, rehearsal, validations)
        self.deadline = Deadline(LIMIT, spent=started)
        self.step = step

    def run(self) -> "Simulation":
        done = 0
        while done < self.pace.course.end:
            seconds = self.step(done, self.pace.course.place(done))
            self.now += seconds
            self.pace.add(done, seconds)
            done += 1
            if done % 250 == 0 or done == self.pace.course.end:
                self.now += 30
            end = self.deadline.other_end(self.pace, done)
            if end is not None:
                self.pace.course = self.pace.course.turned(done, end)
        return self


def test_a_training_in_time_keeps_its_plan(monkeypatch):
    run = Simulation(lambda done, place: 1.0, monkeypatch).run()
    assert run.pace.course.turns == () and run.now == 1000 + 4 * 30


DICE = random.Random(0)


@pytest.mark.parametrize(
    "step",
    [
        lambda done, place: 2.0,
        lambda done, place: 1.25,
        lambda done, place: 1.0 if done < 500 else 3.0,
        lambda done, place: 9.0 if 300 <= done < 360 else 1.0,
        lambda done, place: DICE.uniform(1.0, 1.6),
    ],
    ids=["late at once", "a little late", "late from the half on", "a pause", "uneven"],
)
def test_one_that_is_late_uses_its_time_and_ends_in_it(step, monkeypatch):
    run = Simulation(step, monkeypatch).run()
    assert 0.9 * LIMIT < run.now <= LIMIT + 30
    assert 1 <= len(run.pace.course.turns) <= 6


def test_a_pause_that_can_be_made_up_for_is_no_reason(monkeypatch):
    """The 20 seconds are seen, and 20 were to spare."""
    seconds = {500: 20.0}
    run = Simulation(lambda done, place: seconds.get(done, 1.0), monkeypatch).run()
    assert run.pace.course.turns == ()


def test_what_larger_images_will_take_is_foreseen(monkeypatch):
    """Of which each takes a second more: 600 small ones and 400 large ones."""
    options = {"firsts": (0, 600), "steps": (1.0, 2.0)}
    run = Simulation(lambda done, place: 1.0 + (place >= 600), monkeypatch, **options)
    run.run()
    assert run.pace.course.turns[0][0] == 20, "as soon as the speed is known"
    assert 0.9 * LIMIT < run.now <= LIMIT + 30


def test_when_the_time_is_over_the_learning_rate_still_falls(monkeypatch):
    run = Simulation(lambda done, place: 1.0, monkeypatch, started=LIMIT + 1).run()
    assert run.pace.course.turns == ((1, 1 + LEAST_LEFT),)
