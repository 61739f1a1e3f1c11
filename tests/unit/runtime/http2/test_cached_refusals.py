"""How much each kind of call that is refused is told to let in, of room that all of them hear of."""

from collections import Counter, deque

import pytest

from runtime.http2.cached_refusals import CachedRefusals
from tests.waiting import until


class Told:
    """What the server's thread was told, by call: the last in each look."""

    def __init__(self, num_unbegun: int) -> None:
        self.num_unbegun = num_unbegun
        self.looks: deque[Counter[int]] = deque([Counter()])
        self.over: set[int] = set()

    def set_capacity(self, call_id: int, capacity: int) -> bool:
        if call_id in self.looks[-1]:
            self.looks.append(Counter())
        self.looks[-1][call_id] = capacity
        return call_id not in self.over


@pytest.mark.parametrize(("room", "num_unbegun"), [(0, 0), (1, 0), (35, 3), (3, 35), (100, 0)])
async def test_the_connections_of_a_caller_share_the_room_that_each_hears_of(room, num_unbegun):
    told = Told(num_unbegun)
    refusals = CachedRefusals(lambda: told.num_unbegun, told.set_capacity)
    for call_id in range(16):
        refusals.add(call_id, lambda: room)
    await until(lambda: len(told.looks) > 17)
    refusals.close()
    looks = list(told.looks)[:16]
    assert {look.total() for look in looks} == {room - num_unbegun}
    assert max(map(max, (look.values() for look in looks))) - min(map(min, (look.values() for look in looks))) <= 1
    by_call = Counter()
    for look in looks:
        by_call.update(look)
    assert set(by_call.values()) == {room - num_unbegun}, "whose part is rounded up changes"


async def test_a_kind_that_is_over_is_asked_about_no_more():
    told = Told(0)
    refusals = CachedRefusals(lambda: 0, told.set_capacity)
    for call_id in range(2):
        refusals.add(call_id, lambda: 10)
    told.over.add(0)
    await until(lambda: len(told.looks) > 3)
    assert list(told.looks)[1:3] == [{1: 10}, {1: 10}]
    told.over.add(1)
    await until(lambda: refusals._timer is None)
