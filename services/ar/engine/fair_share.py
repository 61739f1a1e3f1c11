"""Who has which part of the running sequences and of a step, while several callers have work.

Callers share the places of running sequences equally, and so do the connections of a caller its share; what some leave
of theirs is the others'. A step has few sequences of each caller: one with many would make all others wait for it. Pure
functions of who runs and who waits; the scheduler acts on them.
"""

from collections import Counter
from collections.abc import Callable

from runtime.rpc.metadata import connection_of
from services.ar.engine.sequence import Sequence
from services.common.fair_queue import FairQueue

FEW_ROWS = 8
"""A CPU reads the weights for one row as long as it computes with them for some eight; from there each one counts."""


def running_of(running: list[Sequence]) -> Counter[str]:
    """Return how many sequences each caller runs."""
    return Counter(sequence.caller for sequence in running)


def num_callers(running: list[Sequence], waiting: FairQueue[Sequence]) -> int:
    """Return how many callers have sequences that run or wait."""
    return len(running_of(running).keys() | waiting.sizes().keys())


def fair_share(running: list[Sequence], waiting: FairQueue[Sequence], num_places: int) -> int:
    """Return an equal part of the places, at least one."""
    if len(running) <= 1 and not waiting:
        return max(1, num_places)  # as below, without counting in each step of what runs alone
    return max(1, num_places // max(1, num_callers(running, waiting)))


def awake(running: list[Sequence], share: int) -> list[Sequence]:
    """Return the running sequences that take part in the next step, those of callers that run little first.

    Of a caller that runs more than its share, or FEW_ROWS, those take part that have rested the longest.
    """
    if len(running) <= 1:
        return list(running)
    most, taken = max(FEW_ROWS, share), Counter[str]()
    chosen = set()
    for sequence in sorted(running, key=lambda sequence: sequence.last_step):
        taken[sequence.caller] += 1
        if taken[sequence.caller] <= most:
            chosen.add(id(sequence))
    of_caller = running_of(running)
    return sorted((one for one in running if id(one) in chosen), key=lambda one: of_caller[one.caller])


def num_owed(running: list[Sequence], waiting: FairQueue[Sequence], share: int) -> int:
    """Return how many places callers that wait lack of their share, or of a caller's those connections that wait."""
    of_caller, of_connection = running_of(running), connections_of(running)
    owed = 0
    for caller in waiting.sizes():
        sizes, own = waiting.of_connections(caller), _connection_share(running, waiting, caller, share)
        of_connections = sum(max(0, min(sizes[name], own - of_connection[name])) for name in sizes)
        owed += max(min(sizes.total(), share - of_caller[caller]), of_connections)
    return owed


def next_waiting(running: list[Sequence], waiting: FairQueue[Sequence]) -> Sequence:
    """Return what is admitted next: of the caller, and its connection, that run the fewest, in turn among equals.

    Something must wait.
    """
    return waiting.least_served(running_of(running), connections_of(running))


def who_must_yield(
    running: list[Sequence],
    waiting: FairQueue[Sequence],
    num_places: int,
    has_blocks: Callable[[Sequence], bool],
) -> Sequence | None:
    """Return a running sequence that has to make room for those that wait and run less; None if none has to.

    It lacks a place, or blocks. Few sequences may hold all blocks: for those it is enough to run more than the caller
    whose turn is next would.
    """
    if not waiting:
        return None
    share = fair_share(running, waiting, num_places)
    owed, following = num_owed(running, waiting, share), next_waiting(running, waiting)
    lacks_place = owed > num_places - len(running)
    if not owed or not (lacks_place or not has_blocks(following)):
        return None
    most = share if lacks_place else min(share, running_of(running)[following.caller] + 1)
    return _youngest_of_greediest(running, waiting, most, following.caller)


def _youngest_of_greediest(
    running: list[Sequence], waiting: FairQueue[Sequence], share: int, next_caller: str
) -> Sequence | None:
    """Return the youngest sequence of the caller that runs most, of its connection that runs most.

    If no caller runs more than the share: of the caller whose turn is next, if one of its connections runs more than an
    equal part; else None.
    """
    of_caller, of_connection = running_of(running), connections_of(running)
    greediest, most = max(of_caller, key=lambda caller: of_caller[caller], default=""), 0
    if of_caller[greediest] <= share:
        greediest, most = next_caller, _connection_share(running, waiting, next_caller, share)
    youngest_first = [sequence for sequence in reversed(running) if sequence.caller == greediest]
    victim = max(youngest_first, key=lambda sequence: of_connection[connection_of(sequence.caller)], default=None)
    return None if victim is None or of_connection[connection_of(victim.caller)] <= most else victim


def connections_of(running: list[Sequence]) -> Counter[str]:
    """Return how many sequences each connection runs."""
    return Counter(connection_of(sequence.caller) for sequence in running)


def _connection_share(running: list[Sequence], waiting: FairQueue[Sequence], caller: str, share: int) -> int:
    """Return an equal part of a caller's share, at least one."""
    running_ones = {connection_of(sequence.caller) for sequence in running if sequence.caller == caller}
    return max(1, share // max(1, len(running_ones | waiting.of_connections(caller).keys())))
