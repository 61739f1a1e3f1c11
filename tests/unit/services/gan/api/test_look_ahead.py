import asyncio
import contextlib

import pytest

from services.gan.api.look_ahead import Budget, make_ahead


class Workshop:
    """Parts that are done when told so."""

    def __init__(self, count: int) -> None:
        self.gates = [asyncio.Event() for _ in range(count)]
        self.started: list[int] = []
        self.cancelled: list[int] = []

    async def part(self, number: int) -> int:
        self.started.append(number)
        try:
            await self.gates[number].wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        return number

    def parts(self):
        return (self.part(number) for number in range(len(self.gates)))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_parts_come_in_order_whichever_is_done_first():
    shop = Workshop(4)
    for number in (2, 1, 3, 0):
        shop.gates[number].set()
    assert [part async for part in make_ahead(shop.parts(), 3, Budget(1000), 1)] == [0, 1, 2, 3]


async def test_leaving_cancels_what_is_under_way():
    shop = Workshop(10)
    shop.gates[0].set()
    async with contextlib.aclosing(make_ahead(shop.parts(), 3, Budget(1000), 1)) as ahead:
        assert await anext(ahead) == 0
        await settle()
    assert shop.cancelled == [1, 2]


async def test_failing_part_ends_the_rest():
    shop = Workshop(3)

    async def fail() -> int:
        raise ArithmeticError

    async def read() -> None:
        async with contextlib.aclosing(make_ahead((fail(), shop.part(1), shop.part(2)), 3, Budget(1000), 1)) as ahead:
            async for _ in ahead:
                pass

    with pytest.raises(ArithmeticError):
        await read()
    assert sorted(shop.started) == sorted(shop.cancelled)


async def test_where_there_is_no_room_one_part_is_under_way():
    shop = Workshop(4)
    async with contextlib.aclosing(make_ahead(shop.parts(), 3, Budget(0), 1)) as ahead:
        for number in range(4):
            reading = asyncio.create_task(anext(ahead))
            await settle()
            assert shop.started == list(range(number + 1))
            shop.gates[number].set()
            assert await reading == number


async def test_streams_share_the_room_and_give_it_back():
    budget, first, second = Budget(25), Workshop(8), Workshop(8)
    for gate in (*first.gates, *second.gates):
        gate.set()
    async with contextlib.aclosing(make_ahead(first.parts(), 5, budget, 10)) as ahead:
        assert await anext(ahead) == 0
        assert (first.started, budget.taken_bytes) == ([0, 1, 2], 20)
        async with contextlib.aclosing(make_ahead(second.parts(), 5, budget, 10)) as other:
            assert [await anext(other) for _ in range(3)] == [0, 1, 2]
            assert second.started == [0, 1, 2]
        assert [part async for part in ahead] == list(range(1, 8))
    assert budget.taken_bytes == 0
    async with contextlib.aclosing(make_ahead(second.parts(), 2, budget, 10)) as other:
        assert await anext(other) == 0
        assert budget.taken_bytes == 10
    assert budget.taken_bytes == 0
