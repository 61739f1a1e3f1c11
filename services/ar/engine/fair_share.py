"""Who has which part of the running sequences and of a step, while several callers have work.

Callers share the places of running sequences equally, and so do the connections of a caller its share; what some leave
of theirs is the others'. A step has few sequences of each caller: one with many would make all others wait for it.
"""

from collections import Counter
from collections.abc import Callable

from runtime.rpc.metadata import connection_of
from services.ar.engine.sequence import Sequence
from services.common.fair_queue import FairQueue

FEW_ROWS = 8
"""A CPU reads the weights for one row as long as it computes with them for some eight; from there each one counts."""


class FairShares:
    """Reads who runs and who waits, in the scheduler's own lists, and changes neither; the scheduler acts on it.

    `num_places` sequences may run.
    """

    def __init__(self, running: list[Sequence], waiting: FairQueue[Sequence], num_places: int) -> None:
        self._running = running
        self._waiting = waiting
        self._num_places = num_places

    def running_of(self) -> Counter[str]:
        """Return how many sequences each caller runs."""
        return Counter(sequence.caller for sequence in self._running)

    def _connections_of(self) -> Counter[str]:
        """Return how many sequences each connection runs."""
        return Counter(connection_of(sequence.caller) for sequence in self._running)

    def num_callers(self) -> int:
        """Return how many callers have sequences that run or wait."""
        return len(self.running_of().keys() | self._waiting.sizes().keys())

    def share(self) -> int:
        """Return an equal part of the places, at least one."""
        if len(self._running) <= 1 and not self._waiting:
            return max(1, self._num_places)  # as below, without counting in each step of what runs alone
        return max(1, self._num_places // max(1, self.num_callers()))

    def _connection_share(self, caller: str, share: int) -> int:
        """Return an equal part of a caller's share, at least one."""
        running = {connection_of(sequence.caller) for sequence in self._running if sequence.caller == caller}
        return max(1, share // max(1, len(running | self._waiting.of_connections(caller).keys())))

    def awake(self, share: int) -> list[Sequence]:
        """Return the running sequences that take part in the next step, those of callers that run little first.

        Of a caller that runs more than its share, or FEW_ROWS, those take part that have rested the longest.
        """
        if len(self._running) <= 1:
            return list(self._running)
        most, taken = max(FEW_ROWS, share), Counter[str]()
        chosen = set()
        for sequence in sorted(self._running, key=lambda sequence: sequence.last_step):
            taken[sequence.caller] += 1
            if taken[sequence.caller] <= most:
                chosen.add(id(sequence))
        return sorted((one for one in self._running if id(one) in chosen), key=lambda one: taken[one.caller])

    def next_waiting(self) -> Sequence:
        """Return what is admitted next: of the caller, and its connection, that run the fewest, in turn among equals.

        Something must wait.
        """
        return self._waiting.least_served(self.running_of(), self._connections_of())

    def who_must_yield(self, has_blocks: Callable[[Sequence], bool]) -> Sequence | None:
        """Return a running sequence that has to make room for those that wait and run less; None if none has to.

        It lacks a place, or blocks. Few sequences may hold all blocks: for those it is enough to run more than the
        caller whose turn is next would.
        """
        if not self._waiting:
            return None
        share, following = self.share(), self.next_waiting()
        owed = self._num_owed(share)
        lacks_place = owed > self._num_places - len(self._running)
        if not owed or not (lacks_place or not has_blocks(following)):
            return None
        most = share if lacks_place else min(share, self.running_of()[following.caller] + 1)
        return self._youngest_of_greediest(most, following.caller)

    def _num_owed(self, share: int) -> int:
        """Return how many places those callers that wait, and those connections of a caller, lack of their share."""
        of_caller, of_connection = self.running_of(), self._connections_of()
        owed = 0
        for caller in self._waiting.sizes():
            sizes, own = self._waiting.of_connections(caller), self._connection_share(caller, share)
            of_connections = sum(max(0, min(sizes[name], own - of_connection[name])) for name in sizes)
            owed += max(min(sizes.total(), share - of_caller[caller]), of_connections)
        return owed

    def _youngest_of_greediest(self, share: int, next_caller: str) -> Sequence | None:
        """Return the youngest sequence of the caller that runs most, of its connection that runs most.

        If no caller runs more than the share: of the caller whose turn is next, if one of its connections runs more
        than an equal part; else None.
        """
        of_caller, of_connection = self.running_of(), self._connections_of()
        greediest, most = max(of_caller, key=lambda caller: of_caller[caller], default=""), 0
        if of_caller[greediest] <= share:
            greediest, most = next_caller, self._connection_share(next_caller, share)
        youngest_first = [sequence for sequence in reversed(self._running) if sequence.caller == greediest]
        victim = max(youngest_first, key=lambda sequence: of_connection[connection_of(sequence.caller)], default=None)
        return None if victim is None or of_connection[connection_of(victim.caller)] <= most else victim
