"""A short campaign; `make test-faults` runs all of it."""

import pytest

from tests.faults.campaign import load_scenarios, report, run_scenario
from tests.faults.world import World

SHORT = {
    "kill-convert": 0.1,
    "kill-split": 0.1,
    "kill-predict": 0.05,
    "hostile-annotations": 0.2,
    "hostile-images": 0.1,
}
"""Which scenarios run by default, and the fraction of their cases."""


@pytest.fixture(scope="session")
def world(dataset, trained, deployed, tmp_path_factory):
    made = World(tmp_path_factory.mktemp("faults"))
    # What other tests have made already need not be made again.
    made.__dict__.update(dataset=dataset, config=trained.config, checkpoint=deployed)
    yield made
    made.measured.close()


@pytest.mark.parametrize("name", SHORT)
def test_nothing_is_lost_or_let_in(world, name):
    tally = run_scenario(load_scenarios()[name], world, 1, SHORT[name], jobs=2)
    assert tally.tried and not tally.failures, report([tally], 1, SHORT[name])


def test_a_failure_is_counted_and_can_be_repeated(tmp_path):
    world = World(tmp_path)
    from tests.faults.core import Lost, Scenario

    def lose(case) -> None:
        case.tried = 3
        raise Lost(f"it is gone at {case.dice.random()}")

    twice = [run_scenario(Scenario("x", "X", lose, 2), world, 5) for _ in range(2)]
    assert [str(v) for _, v in twice[0].failures] == [
        str(v) for _, v in twice[1].failures
    ]
    said = report(twice[:1], 5, 1)
    assert "| X | 6 | 4 | 2 | 0 | 0 | 0 | 0 |" in said
    assert "`python -m tests.faults --seed 5 --only x --case 1`" in said
