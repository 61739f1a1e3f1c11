"""The children of a span: without gaps, in order, and the same seconds as in the metrics."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.figures.log_entry import served_of, times_of
from gateway.figures.observation import Observation, observe
from gateway.tracing.tracer import Part, parts
from runtime.rpc.routes import all_routes
from tandem.common.v1.timings_pb2 import Timings
from tests.unit.gateway.figures.entries import SAMPLE, START, TIMES, entry, refused, served

ROUTES = {route.path: route for route in all_routes()}
SECONDS = st.floats(0.0, 2.0)


def taken_apart(raw: Any) -> tuple[Observation, list[Part]]:
    seen = observe(raw, ROUTES[raw.request.path], "m", served_of(raw))
    return seen, parts(START, times_of(raw), seen)


def check(seen: Observation, found: list[Part]) -> None:
    """The parts are the whole, and those of a name are what the metrics have."""
    assert found[0].start == START
    assert found[-1].end == START + round(seen.total_seconds * 1e9)
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert all(part.end >= part.start for part in found)
    seconds: Counter[str] = Counter()
    for part in found:
        seconds[part.name] += part.end - part.start
    for name, phase in seen.phases.items():
        assert seconds[name] == pytest.approx(phase * 1e9, abs=4)


def test_a_stream_s_parts_in_order() -> None:
    seen, found = taken_apart(entry(told=served()))
    check(seen, found)
    order = ["residual", "gateway", "queue", "prefill", "decode", "backend_other", "residual", "gateway"]
    assert [part.name for part in found] == order
    # It took .0011 s to come in; the backend was asked at .002, and its last byte came at .110.
    instants = [each - START for each in (found[1].start, found[1].end, found[-1].start)]
    assert instants == pytest.approx([1_100_000, 2_000_000, 110_000_000], abs=1)


def test_what_stood_in_sockets_is_before_each_part_of_the_gateway() -> None:
    seen, found = taken_apart(
        entry(SAMPLE, told=served(), last_rx=0.0002, last_downstream_tx=0.115, sockets=(-0.004, 0.105))
    )
    check(seen, found)
    names = [part.name for part in found if part.name in ("sockets", "gateway")]
    assert names == ["sockets", "gateway", "sockets", "gateway"]
    assert found[0].end - START == pytest.approx(4_000_000, abs=1)


def test_what_never_came_to_a_backend_is_the_gateway_s() -> None:
    seen, found = taken_apart(refused("8"))
    check(seen, found)
    assert [part.name for part in found] == ["gateway"]
    seen, found = taken_apart(refused("8", duration=0.0337, sockets=(-0.00417, 0.0)))
    check(seen, found)
    assert [part.name for part in found] == ["sockets", "gateway"]


@given(
    times=st.fixed_dictionaries({name: st.none() | SECONDS for name in TIMES}),
    duration=SECONDS,
    phases=st.fixed_dictionaries(
        {f"{name}_seconds": SECONDS for name in ("queue", "prefill", "decode", "encode", "compute", "batch_wait")}
    ),
    backend=SECONDS,
    has_told=st.booleans(),
    sockets=st.none() | st.tuples(*[st.floats(-100, 200)] * 2),
)
def test_the_parts_are_the_whole_whatever_the_clocks_say(
    times: dict[str, float | None],
    duration: float,
    phases: dict[str, float],
    backend: float,
    has_told: bool,
    sockets: tuple[float, float] | None,
) -> None:
    told = served(timings=Timings(**phases, total_seconds=1.0), backend_seconds=backend) if has_told else None
    seen, found = taken_apart(entry(told=told, duration=duration, sockets=sockets, **times))
    if seen.total_seconds:
        check(seen, found)
