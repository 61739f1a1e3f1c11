"""Who is there in a closed loop, when, and which requests each process takes."""

import pytest

from bench.load.callers import Budget, presence
from bench.load.scenario import ClosedLoop
from tests.unit.bench.load.scenarios import closed_scenario


def presences(first, last=None, **settings):
    scenario = closed_scenario(first, end_concurrency=last, **settings)
    assert isinstance(scenario.load, ClosedLoop)
    return [presence(scenario, scenario.load, caller) for caller in range(scenario.load.most)]


def test_all_are_there_from_the_warm_up_to_the_end():
    assert presences(3, warm_up_seconds=2.0) == [(-2.0, 10.0)] * 3


@pytest.mark.parametrize(("first", "last"), [(1, 5), (5, 1), (2, 3), (3, 3)])
def test_a_ramp_has_the_number_of_its_instant(first, last):
    found = presences(first, last)
    for second in range(10):
        instant = second + 0.5
        wanted = first + (last - first) * instant / 10
        assert abs(sum(comes <= instant < goes for comes, goes in found) - wanted) <= 0.5


def test_processes_take_all_numbers_once_and_leave_the_rest():
    scenario = closed_scenario(4, num_requests=10, num_processes=3)
    budgets = [Budget(scenario, number) for number in range(3)]
    warm = [budget.take(is_measured=False) for budget in budgets]
    taken = [budget.take(is_measured=True) for budget in budgets for _ in range(2)]
    rest = [number for budget in budgets for number in budget.rest()]
    assert len({*warm, *taken, *rest}) == 3 + 10
    more = [budget.take(is_measured=True) for budget in budgets for _ in range(9)]
    assert [number for number in more if number is not None] == rest
