"""Several streams as one: nothing is lost, the first failure ends the others, and leaving ends all."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.protocols.together import MAX_AT_A_TIME, merge, run_all
from tandem.shared.errors import Unavailable


async def counted(first: int, count: int, closed: list[int]) -> AsyncGenerator[int, None]:
    try:
        for number in range(first, first + count):
            await asyncio.sleep(0)
            yield number
    finally:
        closed.append(first)


async def failing() -> AsyncGenerator[int, None]:
    yield -1
    raise Unavailable("gone")


@pytest.mark.parametrize("count", [1, 2, 3 * MAX_AT_A_TIME])
async def test_everything_comes_and_each_stream_in_its_order(count: int) -> None:
    closed: list[int] = []
    found = [each async for each in merge([counted(100 * place, 50, closed) for place in range(count)])]
    assert sorted(found) == [100 * place + number for place in range(count) for number in range(50)]
    assert [each for each in found if each < 100] == list(range(50))
    assert sorted(closed) == [100 * place for place in range(count)]


async def test_a_failure_is_the_streams_own_and_ends_the_others() -> None:
    closed: list[int] = []
    with pytest.raises(Unavailable, match="gone"):
        [each async for each in merge([counted(0, 10**9, closed), failing()])]
    assert closed == [0]


async def test_leaving_ends_all() -> None:
    closed: list[int] = []
    streams = merge([counted(0, 10**9, closed), counted(1, 10**9, closed)])
    await anext(streams)
    await streams.aclose()
    assert sorted(closed) == [0, 1]


async def test_results_keep_their_order_and_only_so_many_run_at_a_time() -> None:
    running, most = 0, 0

    async def work(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    assert await run_all([work(number) for number in range(100)]) == list(range(100))
    assert most == MAX_AT_A_TIME
    assert await run_all([]) == []
