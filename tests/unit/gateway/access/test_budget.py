"""Token buckets on a clock that the test moves."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.access.access import Access
from gateway.access.api_keys import ApiKey
from gateway.access.budget import IMAGE, REQUEST, Budgets
from runtime.rpc.routes import all_routes
from tandem.shared.errors import OverBudget


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused(budgets: Budgets, *units: str) -> OverBudget:
    with pytest.raises(OverBudget) as caught:
        budgets.take_request(units)
    return caught.value


def test_a_minute_s_worth_of_requests_may_come_at_once_and_then_one_at_a_time(clock: Clock) -> None:
    budgets = Budgets({REQUEST: 30}, clock)
    for _ in range(30):
        budgets.take_request([])
    error = refused(budgets)
    assert (error.unit, error.retry_after_seconds, error.code) == ("request", 2.0, "RESOURCE_EXHAUSTED")
    assert str(error) == "the API key's budget of 30 requests a minute is used up; retry in 2 s"
    clock.now += 1.5
    assert refused(budgets).retry_after_seconds == 0.5
    clock.now += 0.5
    budgets.take_request([])
    refused(budgets)


def test_pictures_made_of_tokens_are_charged_as_images_beside_their_tokens(clock: Clock) -> None:
    key = ApiKey(name="alice", sha256="0" * 64, images_per_minute=60, tokens_per_minute=600)
    access, alice = Access([key], lambda *_: None, clock), key.caller_id()
    generate = next(route for route in all_routes() if route.rpc == "Generate")
    access.charge(alice, generate, 600, 61)
    with pytest.raises(OverBudget, match="60 images a minute is used up; retry in 1 s"):
        access.admit_known(generate, alice)
    clock.now += 1.0
    access.admit_known(generate, alice)
    access.charge(alice, generate, 11, 0)
    with pytest.raises(OverBudget, match="600 tokens a minute"):
        access.admit_known(generate, alice)


@given(
    limit=st.integers(1, 10_000),
    steps=st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 500)), min_size=1, max_size=60),
)
@example(limit=359, steps=[(0.0, 218), (0.0, 500), (1.3819993530025663, 1)])
def test_in_the_long_run_nobody_has_more_than_the_rate(limit: int, steps: list[tuple[float, int]]) -> None:
    """What has been had is at most a full bucket, the time's worth, and the one reply that went into debt.

    A request that comes a microsecond early is let in, as that may be rounding.
    """
    clock = Clock()
    budgets, began_at, had = Budgets({IMAGE: limit}, clock), clock.now, 0
    for pause, amount in steps:
        clock.now += pause
        try:
            budgets.take_request([IMAGE])
        except OverBudget as error:
            # To come back as told is to be let in.
            clock.now += error.retry_after_seconds
            budgets.take_request([IMAGE])
        had += amount
        budgets.charge(IMAGE, amount)
        allowed = limit + (clock.now - began_at + 1e-6) * limit / 60.0 + amount
        assert had <= allowed or math.isclose(had, allowed)
