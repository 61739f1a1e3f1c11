"""Who is there in a closed loop, when, and which requests each process takes."""

import pytest

from tandem.measure.generator.driver import budget, presence
from tandem.measure.scenario import ClosedLoop
from tests.unit.tandem.measure.scenarios import closed_scenario


def presences(first, last=None, **settings):
    scenario = closed_scenario(first, end_concurrency=last, **settings)
    assert isinstance(scenario.load, ClosedLoop)
    return [presence(scenario, scenario.load, caller) for caller in range(scenario.load.most)]


@pytest.mark.parametrize(("first", "last"), [(1, 5), (5, 1), (2, 3), (3, 3)])
def test_a_ramp_has_the_number_of_its_instant(first, last):
    found = presences(first, last)
    for second in range(10):
        instant = second + 0.5
        wanted = first + (last - first) * instant / 10
        assert abs(sum(comes <= instant < goes for comes, goes in found) - wanted) <= 0.5


@pytest.mark.parametrize("number_of_requests", [10, 3, 1])
def test_processes_share_a_number_of_requests_whole(number_of_requests):
    scenario = closed_scenario(4, num_requests=number_of_requests, num_processes=3)
    shares = [budget(scenario, number) for number in range(3)]
    assert sum(shares) == number_of_requests
    assert max(shares) - min(shares) <= 1
