"""The clock of a request, taken apart: the parts make up the whole, whatever backends and clocks say."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.figures.log_entry import served_of
from gateway.figures.observation import Observation, observe
from runtime.rpc.routes import all_routes
from tandem.common.v1.served_pb2 import Served
from tandem.common.v1.timings_pb2 import Timings
from tests.unit.gateway.figures.entries import NEVER_ASKED, TIMES, entry, left, refused, served

ROUTES = {route.path: route for route in all_routes()}


def seen(raw: Any, told: Served | None = None) -> Observation:
    told = told or served_of(raw)
    return observe(raw, ROUTES[raw.request.path], told.model if told else "unknown", told)


def test_a_whole_life() -> None:
    """0.03 of the queue are before the handler; of these the proxy had .002. The backend was busy for .09 in all."""
    timings = Timings(queue_seconds=0.035, prefill_seconds=0.02, decode_seconds=0.025, total_seconds=0.08)
    told = served(timings=timings, backend_seconds=0.09, arrival_wait_seconds=0.03, images=1)
    observation = seen(entry(told=told, attempts=3))
    assert observation.phases == pytest.approx(
        {
            "queue": 0.033,
            "prefill": 0.02,
            "decode": 0.025,
            "backend_other": 0.01,
            "gateway": 0.0029,  # .0011 to .002, and .110 to .112
            "residual": 0.112 - 0.0029 - 0.088,
        }
    )
    assert observation.gateway_seconds == pytest.approx(0.0029)
    assert (observation.total_seconds, observation.first_output_seconds) == pytest.approx((0.112, 0.011))
    assert observation.seconds_per_output == pytest.approx((0.110 - 0.010) / 4)
    assert (observation.num_outputs, observation.num_images, observation.num_retries) == (5, 1, 2)
    assert (observation.code, observation.transport, observation.model) == ("OK", "grpc", "m")


def test_what_stood_in_sockets_is_a_phase_of_its_own() -> None:
    """The backend was told of the arrival .004 before Envoy's clock began, and waited .03 for its handler."""
    told = served(backend_seconds=0.09, arrival_wait_seconds=0.03)
    observation = seen(entry(told=told, last_downstream_tx=0.115, sockets=(-0.004, 0.105)))
    assert observation.total_seconds == pytest.approx(0.119)
    assert observation.phases["sockets"] == pytest.approx(0.009)
    assert observation.phases["gateway"] == pytest.approx(0.0009 + 0.005)
    assert observation.phases["residual"] == pytest.approx(0.119 - 0.009 - 0.0059 - (0.09 - 0.006))


def test_a_clock_that_is_ahead_makes_no_more_queue_than_there_was_room_for() -> None:
    """The backend's clock is an hour ahead of the proxy's; what it measured on its own clock stays as it is."""
    timings = Timings(queue_seconds=3600.01, prefill_seconds=0.02, decode_seconds=0.05, total_seconds=3600.09)
    told = served(timings=timings, backend_seconds=3600.1, arrival_wait_seconds=3600.0)
    phases = seen(entry(told=told)).phases
    assert (phases["prefill"], phases["decode"]) == (0.02, 0.05)
    assert phases["backend_other"] == pytest.approx(0.02)
    assert phases["queue"] == pytest.approx(0.112 - 0.0029 - 0.02 - 0.05 - 0.02)
    assert phases["residual"] == pytest.approx(0.0, abs=1e-9)


def test_a_request_that_came_slowly_is_not_the_proxy_s_doing() -> None:
    slow = {name: seconds + 30.0 for name, seconds in TIMES.items()}
    observation = seen(entry(told=served(), duration=30.2, **slow))
    assert observation.gateway_seconds == pytest.approx(0.0029)
    assert observation.phases["residual"] > 29.9


def test_what_never_went_upstream_is_all_the_gateway_s() -> None:
    observation = seen(refused("14"))
    assert observation.gateway_seconds == observation.total_seconds
    assert observation.phases == {}
    assert observation.seconds_per_output is None


def test_a_call_that_was_cancelled_had_what_had_passed() -> None:
    observation = seen(left(), served(outputs=3, timings=None))
    assert (observation.num_outputs, observation.code) == (3, "CANCELLED")
    assert observation.first_output_seconds == pytest.approx(0.011)
    assert observation.phases == {}


def test_what_no_client_has_seen_is_no_output() -> None:
    observation = seen(left(first_downstream_tx=None, response_code=None), served(outputs=3, images=1))
    assert (observation.num_outputs, observation.num_images, observation.first_output_seconds) == (0, 0, 0.0)


def test_a_message_without_output_is_not_the_first_output() -> None:
    observation = seen(entry(told=served(first_output_delay_seconds=0.06)))
    assert observation.first_output_seconds == pytest.approx(0.011 + 0.06)
    assert observation.seconds_per_output == pytest.approx((0.110 - 0.010 - 0.06) / 4)


ANY_SECONDS = st.one_of(st.floats(0, 700), st.floats(0, 0.2), st.just(math.nan), st.just(math.inf), st.floats(-1, 0))
SOME_SECONDS = st.one_of(st.none(), st.floats(0, 100), st.floats(0, 0.2))


@example(
    timings=Timings(),
    backend=0.0,
    waited=0.0,
    delay=0.0,
    counts=(0, 0, 0),
    times=dict.fromkeys(TIMES),
    duration=0.0,
    attempts=0,
    sockets=(-1.0, 0.0),
)
@given(
    timings=st.builds(
        Timings,
        **{
            f"{name}_seconds": ANY_SECONDS
            for name in ("queue", "prefill", "batch_wait", "decode", "compute", "encode", "total")
        },
    ),
    backend=ANY_SECONDS,
    waited=ANY_SECONDS,
    delay=ANY_SECONDS,
    counts=st.tuples(*[st.integers(-5, 2**40)] * 3),
    times=st.fixed_dictionaries(dict.fromkeys(TIMES, SOME_SECONDS)),
    duration=st.floats(0, 200),
    attempts=st.integers(0, 4),
    sockets=st.none() | st.tuples(*[st.floats(-100, 200)] * 2),
)
def test_parts_add_up_and_nothing_is_negative(
    timings: Timings,
    backend: float,
    waited: float,
    delay: float,
    counts: tuple[int, int, int],
    times: dict[str, float | None],
    duration: float,
    attempts: int,
    sockets: tuple[float, float] | None,
) -> None:
    outputs, first, images = counts
    told = served(
        timings=timings,
        backend_seconds=backend,
        arrival_wait_seconds=waited,
        first_output_delay_seconds=delay,
        outputs=outputs,
        first_outputs=first,
        images=images,
    )
    observation = seen(entry(told=told, duration=duration, attempts=attempts, sockets=sockets, **times))
    total = observation.total_seconds
    assert sum(observation.phases.values()) == pytest.approx(total, rel=1e-9, abs=1e-12)
    assert all(seconds >= 0.0 for seconds in observation.phases.values())
    assert 0.0 <= observation.gateway_seconds <= total
    assert 0.0 <= observation.first_output_seconds <= total
    assert observation.seconds_per_output is None or observation.seconds_per_output >= 0.0
    assert min(observation.num_outputs, observation.num_images, observation.num_retries) >= 0


@pytest.mark.parametrize("times", [NEVER_ASKED, dict.fromkeys(TIMES)])
def test_an_entry_with_few_times_is_counted_all_the_same(times: dict[str, None]) -> None:
    observation = seen(entry(told=served(), **times))
    assert observation.gateway_seconds == observation.total_seconds
    assert sum(observation.phases.values()) == pytest.approx(observation.total_seconds)
