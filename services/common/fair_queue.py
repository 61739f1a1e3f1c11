"""A queue in which callers take turns, and how much of it one caller may hold, and each of its connections.

One that asks for much waits behind itself, not before others: who has been served least comes first, counted in work
and not in requests (start-time fair queueing, Goyal 1996); within a caller the same holds for its connections, and
within each of those it is first come, first served. Knows nothing of what waits but whose it is.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, Protocol, TypeVar

from runtime.rpc.metadata import connection_of


class CallerCounts:
    """Counts what callers hold, by their connections. `share` of `whole` is one caller's.

    A connection that holds less than an equal part of its caller's share may go beyond the share, up to half of what
    that leaves: neither a program that floods one connection nor one that opens fifty keeps out the others on its host.
    """

    def __init__(self, share: int, whole: int) -> None:
        self.share = share
        self.whole = whole
        self.of_caller: Counter[str] = Counter()  # no entry for 0
        self._of_connection: dict[str, Counter[str]] = {}  # of each caller in `of_caller`; no entry for 0
        self.total = 0

    def add(self, caller: str, count: int) -> None:
        """Note that the caller holds so many more, or fewer if it is negative."""
        connections, own = self._of_connection.get(caller), connection_of(caller)
        if connections is None:
            connections = self._of_connection[caller] = Counter()
        connections[own] += count
        self.of_caller[caller] += count
        self.total += count
        if not connections[own]:
            del connections[own]
        if not self.of_caller[caller]:
            del self.of_caller[caller], self._of_connection[caller]

    def of_connections(self, caller: str) -> Counter[str]:
        """Return what each of a caller's connections holds."""
        return self._of_connection.get(caller) or Counter()

    def ahead(self, caller: str, count: int) -> int:
        """Return how much of what is held is served before `count` more of the caller are, if all take turns.

        That is all of its connection, and of others as much as it has itself by then.
        """
        connections, own = self.of_connections(caller), connection_of(caller)
        upto = connections[own] + count
        mine = connections[own] + sum(min(held, upto) for each, held in connections.items() if each != own)
        return mine + sum(min(held, mine + count) for each, held in self.of_caller.items() if each != caller)

    def has_room(self, count: int) -> bool:
        """Return whether so many more are within the whole."""
        return self.total + count <= self.whole

    def capacity_left(self, caller: str, *, one_by_one: bool = False) -> int:
        """Return how many more the caller may hold, by this connection, at once; it may be below 0.

        With `one_by_one`, each is held when the next comes: the connection goes beyond the share as far as its part.
        """
        connections, own = self.of_connections(caller), connection_of(caller)
        of_share = self.share - self.of_caller[caller]
        of_part = -(-self.share // max(1, len(connections))) - connections[own]
        if not own or of_part <= 0:
            return of_share
        beyond = (self.share + self.whole) // 2 - self.of_caller[caller]
        return max(of_share, min(beyond, of_part)) if one_by_one else beyond


class Owned(Hashable, Protocol):
    """Something that waits; `caller` says whose it is."""

    @property
    def caller(self) -> str: ...


T = TypeVar("T", bound=Owned)
V = TypeVar("V")


class _Turns(dict[str, V]):
    """What waits, by name, and how much each name has been served; the least served comes first, in turn among equals.

    Who comes has been served as much as the last one had when it was served. Who has left is remembered until all who
    wait have been served as much, or nobody waits.
    """

    def __init__(self) -> None:
        self.served: dict[str, int] = {}
        self._order: list[tuple[int, int, str]] = []  # a heap of the same, with the number of the entry
        self._num_entries = 0
        self._last = 0

    def enter(self, name: str, value: V) -> None:
        """Add a name that does not wait."""
        if not self:
            self.served.clear()
            self._order.clear()
        self[name] = value
        if name not in self.served:
            self.served[name] = self._last
            self._num_entries += 1
            heappush(self._order, (self._last, self._num_entries, name))

    def serve(self, name: str, work: int) -> None:
        """Note that a name which waits, or did until now, is served so much."""
        if not self:
            return
        self._last = self.served[name]
        self.served[name] = served = self._last + work
        self._num_entries += 1
        if self._order[0][2] == name:
            heapreplace(self._order, (served, self._num_entries, name))
        else:
            others = (each for each in self._order if each[2] != name)
            self._order = [(served, self._num_entries, name), *others]
            heapify(self._order)

    @property
    def first(self) -> V:
        """The value of the name that comes first; somebody must wait."""
        while (name := self._order[0][2]) not in self:
            heappop(self._order)
            del self.served[name]
        return self[name]


class FairQueue(Generic[T]):
    """Entries are distinguished by identity or by their own hash. Nothing that is empty is kept."""

    def __init__(self) -> None:
        self._of_caller: _Turns[_Turns[OrderedDict[T, None]]] = _Turns()  # by caller, then by connection
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        for connections in self._of_caller.values():
            for items in connections.values():
                yield from items

    def __contains__(self, item: T) -> bool:
        connections = self._of_caller.get(item.caller)
        return connections is not None and item in connections.get(connection_of(item.caller), ())

    def sizes(self) -> Counter[str]:
        """Return how many items each caller has here."""
        return Counter({caller: sum(map(len, its.values())) for caller, its in self._of_caller.items()})

    def of_connections(self, caller: str) -> Counter[str]:
        """Return how many items each of a caller's connections has here."""
        return Counter({connection: len(items) for connection, items in self._of_caller.get(caller, {}).items()})

    @property
    def first(self) -> T:
        """What is next; the queue must not be empty."""
        return next(iter(self._of_caller.first.first))

    def least_served(self, load: Mapping[str, int], connection_load: Mapping[str, int]) -> T:
        """Return what is next if the caller of the least load comes first, of it the connection, in turn among equals.

        The queue must not be empty.
        """
        callers = self._of_caller
        connections = callers[min(callers, key=lambda each: (load.get(each, 0), callers.served[each]))]
        own = min(connections, key=lambda each: (connection_load.get(each, 0), connections.served[each]))
        return next(iter(connections[own]))

    def add(self, item: T) -> None:
        """Add an item behind all others of its connection."""
        caller, connection = item.caller, connection_of(item.caller)
        connections = self._of_caller.get(caller)
        if connections is None:
            connections = _Turns()
            self._of_caller.enter(caller, connections)
        items = connections.get(connection)
        if items is None:
            items = OrderedDict()
            connections.enter(connection, items)
        items[item] = None
        self._size += 1

    def add_first(self, item: T) -> None:
        """Add an item before all others of its connection."""
        self.add(item)
        self._of_caller[item.caller][connection_of(item.caller)].move_to_end(item, last=False)

    def pop(self) -> T:
        """Take what is next."""
        item = self.first
        self.take(item)
        return item

    def take(self, item: T, work: int = 1) -> None:
        """Take an item that is here to be served, which is so much work for its caller."""
        connections = self._of_caller[item.caller]
        self._drop(item)
        self._of_caller.serve(item.caller, work)
        connections.serve(connection_of(item.caller), work)

    def remove(self, item: T) -> bool:
        """Take an item out, wherever it stands; return whether it was here."""
        is_here = item in self
        if is_here:
            self._drop(item)
        return is_here

    def _drop(self, item: T) -> None:
        caller, connection = item.caller, connection_of(item.caller)
        connections = self._of_caller[caller]
        items = connections[connection]
        del items[item]
        if not items:
            del connections[connection]
            if not connections:
                del self._of_caller[caller]
        self._size -= 1
