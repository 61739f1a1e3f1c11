from collections.abc import Iterator

import pytest

from gateway.observation import Observation
from runtime.routes import Route, all_routes
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr("gateway.observation.time", clock)
    return clock


def generate() -> Route:
    return next(route for route in all_routes() if route.rpc == "Generate")


def say(observation: Observation, clock: Clock, at: float, **fields: object) -> None:
    clock.now = at
    observation.forwarded(ar_pb2.GenerateResponse(**fields).SerializeToString(), at)  # type: ignore[arg-type]


def test_whole_life(clock: Clock) -> None:
    observation = Observation(generate(), "grpc")
    clock.now = 101.0  # the message took a second to arrive: not on the clock
    observation.received()
    clock.now = 101.25
    observation.asked()
    say(observation, clock, 101.5, choice_index=0)
    say(observation, clock, 102.0, token_ids=[1, 2])
    say(observation, clock, 103.0, token_ids=[3])
    say(observation, clock, 104.0, token_ids=[4])
    timings = Timings(queue_seconds=0.25, prefill_seconds=0.25, decode_seconds=1.5, total_seconds=2.25)
    say(observation, clock, 104.5, timings=timings)
    observation.heard()
    clock.now = 104.75
    observation.ended()
    assert observation.total_seconds == 3.75
    assert observation.first_output_seconds == 1.0
    assert observation.num_outputs == 4
    assert observation.seconds_per_output == 1.0
    assert observation.gateway_seconds == 0.5
    phases = observation.phases()
    assert phases == {
        "queue": 0.25,
        "prefill": 0.25,
        "decode": 1.5,
        "backend_other": 0.25,
        "gateway": 0.5,
        "residual": 1.0,
    }
    assert sum(phases.values()) == observation.total_seconds


def test_request_that_never_went_upstream_is_all_the_gateways(clock: Clock) -> None:
    observation = Observation(generate(), "grpc")
    clock.now = 100.5
    observation.ended()
    assert observation.gateway_seconds == observation.total_seconds == 0.5
    assert observation.phases() == {}
    assert observation.seconds_per_output is None


def test_second_try_counts_as_upstream_time(clock: Clock) -> None:
    observation = Observation(generate(), "grpc")
    observation.asked()
    clock.now = 101.0
    observation.heard()
    observation.asked()
    clock.now = 103.0
    observation.heard()
    observation.ended()
    assert observation.gateway_seconds == 0.0


def test_cancelled_while_upstream_works_has_no_time_of_its_own_after(clock: Clock) -> None:
    observation = Observation(generate(), "grpc")
    clock.now = 100.25
    observation.asked()
    clock.now = 105.0
    observation.ended()
    assert observation.gateway_seconds == 0.25


def test_reply_that_cannot_be_read_is_not_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    observation = Observation(generate(), "grpc")
    observation.forwarded(b"\xff", 101.0)
    assert observation.num_outputs == 0
    assert "cannot be read" in caplog.text
