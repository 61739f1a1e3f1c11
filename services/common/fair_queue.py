"""A queue in which callers take turns: one that sends many waits behind itself, not before others.

Round robin over the callers that wait, first come first served within each (Nagle 1987, fair queueing). Knows nothing
of what waits but whose it is.
"""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar


class Owned(Hashable, Protocol):
    """Something that waits; `caller` says whose it is."""

    @property
    def caller(self) -> str: ...


T = TypeVar("T", bound=Owned)


class FairQueue(Generic[T]):
    """Entries are distinguished by identity or by their own hash; every operation but iteration takes constant time."""

    def __init__(self) -> None:
        self._ahead: dict[T, None] = {}  # those added first, in the opposite order
        self._of_caller: OrderedDict[str, OrderedDict[T, None]] = OrderedDict()  # whose turn is next comes first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        yield from reversed(self._ahead)
        for items in self._of_caller.values():
            yield from items

    def __contains__(self, item: T) -> bool:
        return item in self._ahead or item in self._of_caller.get(item.caller, ())

    def sizes(self) -> Counter[str]:
        """Return how many items each caller has here."""
        sizes = Counter({caller: len(items) for caller, items in self._of_caller.items()})
        sizes.update(item.caller for item in self._ahead)
        return sizes

    @property
    def first(self) -> T:
        """What is next; the queue must not be empty."""
        if self._ahead:
            return next(reversed(self._ahead))
        return next(iter(next(iter(self._of_caller.values()))))

    def add(self, item: T) -> None:
        """Add an item behind all others of its caller."""
        self._of_caller.setdefault(item.caller, OrderedDict())[item] = None
        self._size += 1

    def add_first_of_caller(self, item: T) -> None:
        """Add an item before all others of its caller."""
        self.add(item)
        self._of_caller[item.caller].move_to_end(item, last=False)

    def add_first(self, item: T) -> None:
        """Add an item before all others; taking it costs its caller no turn."""
        self._ahead[item] = None
        self._size += 1

    def least_served(self, load: Mapping[str, int]) -> T:
        """Return what is next if the caller of the least load comes first, in turn among equals.

        The queue must not be empty.
        """
        if self._ahead:
            return self.first
        return next(iter(self._of_caller[min(self._of_caller, key=lambda caller: load.get(caller, 0))]))

    def pop(self) -> T:
        """Take what is next."""
        item = self.first
        self.take(item)
        return item

    def take(self, item: T) -> None:
        """Take an item that is here to be served; the turn passes on to the next caller."""
        has_turn = item not in self._ahead
        self.remove(item)
        if has_turn and item.caller in self._of_caller:
            self._of_caller.move_to_end(item.caller)

    def remove(self, item: T) -> bool:
        """Take an item out, wherever it stands; return whether it was here."""
        own = self._of_caller.get(item.caller, OrderedDict())
        if item in self._ahead:
            del self._ahead[item]
        elif item in own:
            del own[item]
            if not own:
                del self._of_caller[item.caller]
        else:
            return False
        self._size -= 1
        return True
