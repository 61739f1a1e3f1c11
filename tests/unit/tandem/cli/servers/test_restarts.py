"""How often and when a process that died is started again."""

from __future__ import annotations

import pytest

from tandem.cli.servers.restarts import NEVER, Attempt, RestartPolicy, Restarts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_at_once_then_after_delays_that_double_then_no_more(clock: Clock) -> None:
    restarts = Restarts(RestartPolicy(), clock)
    restarts.ready()
    attempts = [restarts.died() for _ in range(7)]
    assert attempts == [*(Attempt(n, 5, delay) for n, delay in enumerate([0.0, 1.0, 2.0, 4.0, 8.0], 1)), None, None]


def test_the_delay_has_a_bound() -> None:
    policy = RestartPolicy(max_attempts=100)
    assert [policy.delay_seconds(attempt) for attempt in (6, 7, 8, 100)] == [16.0, 30.0, 30.0, 30.0]


def test_short_readiness_in_between_does_not_count(clock: Clock) -> None:
    restarts = Restarts(RestartPolicy(max_attempts=2), clock)
    for expected in (Attempt(1, 2, 0.0), Attempt(2, 2, 1.0), None):
        restarts.ready()
        clock.now += 59.9
        assert restarts.died() == expected


def test_a_minute_of_health_is_a_new_beginning(clock: Clock) -> None:
    restarts = Restarts(RestartPolicy(max_attempts=2), clock)
    for _ in range(10):
        restarts.ready()
        clock.now += 60.0
        assert restarts.died() == Attempt(1, 2, 0.0)


def test_time_that_it_was_not_ready_is_no_health(clock: Clock) -> None:
    restarts = Restarts(RestartPolicy(max_attempts=2), clock)
    restarts.ready()
    for expected in (Attempt(1, 2, 0.0), Attempt(2, 2, 1.0), None):
        assert restarts.died() == expected
        clock.now += 3600.0  # it loads for long, and dies before it is ready


def test_before_it_was_ever_ready_there_is_no_attempt(clock: Clock) -> None:
    restarts = Restarts(RestartPolicy(), clock)
    clock.now += 3600.0
    assert restarts.died() is None


def test_never_is_never(clock: Clock) -> None:
    restarts = Restarts(NEVER, clock)
    restarts.ready()
    clock.now += 3600.0
    assert restarts.died() is None
