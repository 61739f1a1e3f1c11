"""A queue that grows is told from one that comes and goes, at any load that a server can bear."""

from __future__ import annotations

import numpy as np
import pytest

from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.statistics.backlog import backlog_of
from tests.unit.tandem.measure.scenarios import open_scenario

SERVICE_SECONDS = 0.01
WINDOW = 40.0


def found(utilisation: float, seed: int = 0):
    """Of a single server with a fixed service time, at so much of what it can do."""
    scenario = open_scenario(utilisation / SERVICE_SECONDS, duration_seconds=WINDOW, seed=seed)
    arrivals = intended_seconds(scenario, scenario.load)
    ended = np.empty(len(arrivals))
    free_at = 0.0
    for number, arrival in enumerate(arrivals):
        free_at = ended[number] = max(free_at, arrival) + SERVICE_SECONDS
    return backlog_of(arrivals, ended, WINDOW)


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.8, 0.9])
def test_a_server_that_keeps_up_is_not_accused(utilisation):
    assert sum(found(utilisation, seed).grows for seed in range(20)) <= 1


@pytest.mark.parametrize("utilisation", [1.1, 1.5])
def test_a_server_that_does_not_is_found(utilisation):
    for seed in range(20):
        it = found(utilisation, seed)
        assert it.grows
        assert it.slope_per_second.low < it.slope_per_second.value < it.slope_per_second.high
        assert it.slope_per_second.value == pytest.approx((utilisation - 1) / SERVICE_SECONDS, rel=0.5)


def test_requests_that_never_ended_are_backlog():
    arrivals = np.arange(0, WINDOW, 1 / 50)
    it = backlog_of(arrivals, np.full(len(arrivals), np.inf), WINDOW)
    assert it.grows
    assert it.slope_per_second.value == pytest.approx(50, rel=0.02)


def test_a_few_requests_say_nothing():
    arrivals = np.arange(0, 1, 1 / 50)
    assert backlog_of(arrivals, arrivals + 0.1, WINDOW) is None


def test_many_requests_before_a_short_window_say_nothing_either():
    """With those counted, 37 of 400 servers at 0.8 of what they can do were said not to keep up."""
    arrivals = np.arange(0, WINDOW, 1 / 50)
    assert backlog_of(arrivals - WINDOW + 1, arrivals - WINDOW + 1.1, 1.0) is None
