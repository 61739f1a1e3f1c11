"""Closed-loop measuring with requests that a test controls."""

import asyncio

import pytest

from tandem.cli.measurement import Finished, Measurement, measure, quantile
from tandem.client import TandemRpcError


def measurement(concurrency: int) -> Measurement:
    return Measurement("parallel", "images", "Sample, unary", concurrency)


async def test_each_index_is_sent_once_and_no_more_at_a_time_than_allowed() -> None:
    sent: list[int] = []
    running, most = 0, 0

    async def request(index: int) -> Finished:
        nonlocal running, most
        sent.append(index)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return Finished(2, 0.1, 0.001, 0.0)

    seen, ended = measurement(3), []
    await measure(seen, request, 10, lambda: ended.append(1))
    assert (sorted(sent), most, len(ended)) == (list(range(10)), 3, 10)
    assert (seen.num_requests, seen.summary()["num_outputs"]) == (10, 20)
    assert seen.summary()["gateway_own_p50_seconds"] == 0.001


async def test_errors_are_counted_by_code_and_not_timed() -> None:
    async def request(index: int) -> Finished:
        if index % 2:
            raise TandemRpcError("UNAVAILABLE", "gone")
        return Finished(0, None, None, None)

    seen = measurement(1)
    await measure(seen, request, 5)
    assert (dict(seen.errors), len(seen.latencies_seconds), seen.num_requests) == ({"UNAVAILABLE": 2}, 3, 5)
    summary = seen.summary()
    assert summary["first_output_p50_seconds"] is None
    assert summary["gateway_own_p50_seconds"] is None
    assert summary["outside_backend_p50_seconds"] is None


def test_outside_the_backend_is_what_the_client_waited_beyond_it() -> None:
    seen = Measurement("parallel", "images", "Sample", 1, latencies_seconds=[0.5, 1.0, 2.0])
    seen.finished = [Finished(1, 0.5, 0.01, 0.25), Finished(1, 1.0, 0.01, None), Finished(1, 2.0, 0.01, 1.5)]
    assert seen.outside_backend_seconds == [0.25, 0.5]


async def test_other_exceptions_are_not_swallowed() -> None:
    async def request(index: int) -> Finished:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        await measure(measurement(1), request, 1)


@pytest.mark.parametrize(("q", "expected"), [(0.5, 2.0), (0.51, 3.0), (0.95, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_quantiles_are_values_that_were_seen(q: float, expected: float) -> None:
    assert quantile([4.0, 2.0, 1.0, 3.0], q) == expected


def test_the_quantile_of_nothing_is_none() -> None:
    assert quantile([], 0.5) is None
