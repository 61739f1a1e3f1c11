"""A queue in which callers take turns, and how much of it one caller may hold, and each of its connections.

One that sends many waits behind itself, not before others: round robin over the callers that wait (Nagle 1987, fair
queueing), within a caller over its connections, and first come first served within each of those. A caller's turn ends
when the next begins: who comes before that is served before the caller is again. Knows nothing of what waits but whose
it is.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Mapping
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

    def has_room(self, count: int) -> bool:
        """Return whether so many more are within the whole."""
        return self.total + count <= self.whole

    def capacity_left(self, caller: str) -> int:
        """Return how many more the caller may hold, by this connection; it may be below 0."""
        connections, own = self.of_connections(caller), connection_of(caller)
        has_less = own != "" and connections[own] * max(1, len(connections)) < self.share
        most = (self.share + self.whole) // 2 if has_less else self.share
        return most - self.of_caller[caller]


class Owned(Hashable, Protocol):
    """Something that waits; `caller` says whose it is."""

    @property
    def caller(self) -> str: ...


T = TypeVar("T", bound=Owned)


class FairQueue(Generic[T]):
    """Entries are distinguished by identity or by their own hash. Adding and taking out take constant time."""

    def __init__(self) -> None:
        # By caller, then by connection; whose turn is next comes first. Nothing that is empty is kept.
        self._of_caller: OrderedDict[str, OrderedDict[str, OrderedDict[T, None]]] = OrderedDict()
        self._size = 0
        self._last_served = ""  # comes last for as long as it is

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
        connections = next(iter(self._of_caller.values()))
        return next(iter(next(iter(connections.values()))))

    def least_served(self, load: Mapping[str, int], connection_load: Mapping[str, int]) -> T:
        """Return what is next if the caller of the least load comes first, of it the connection, in turn among equals.

        The queue must not be empty.
        """
        connections = self._of_caller[min(self._of_caller, key=lambda caller: load.get(caller, 0))]
        own = min(connections, key=lambda connection: connection_load.get(connection, 0))
        return next(iter(connections[own]))

    def add(self, item: T) -> None:
        """Add an item behind all others of its connection."""
        caller, connection = item.caller, connection_of(item.caller)
        connections = self._of_caller.get(caller)
        if connections is None:
            connections = self._of_caller[caller] = OrderedDict()
        items = connections.get(connection)
        if items is None:
            items = connections[connection] = OrderedDict()
        items[item] = None
        self._size += 1
        if self._last_served in self._of_caller:
            self._of_caller.move_to_end(self._last_served)

    def add_first(self, item: T) -> None:
        """Add an item before all others of its connection."""
        self.add(item)
        self._of_caller[item.caller][connection_of(item.caller)].move_to_end(item, last=False)

    def pop(self) -> T:
        """Take what is next."""
        item = self.first
        self.take(item)
        return item

    def take(self, item: T) -> None:
        """Take an item that is here to be served; the turn passes on to the next caller, and to its next connection."""
        caller = self._last_served = item.caller
        self._drop(item)
        if caller in self._of_caller:
            self._of_caller.move_to_end(caller)
            if (connection := connection_of(caller)) in self._of_caller[caller]:
                self._of_caller[caller].move_to_end(connection)

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
