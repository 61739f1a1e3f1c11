"""Who has which part of the running sequences and of a step, while several callers have work.

Callers share the places of running sequences equally, and what some leave of theirs is the others'. A step has few
sequences of each: one with many of one caller would make all others wait for it. Pure functions of who runs and who
waits; the scheduler acts on them.
"""

from collections import Counter

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
    for sequence in sorted(running, key=lambda each: each.last_step):
        taken[sequence.caller] += 1
        if taken[sequence.caller] <= most:
            chosen.add(id(sequence))
    of_caller = running_of(running)
    return sorted((each for each in running if id(each) in chosen), key=lambda each: of_caller[each.caller])


def num_owed(running: list[Sequence], waiting: FairQueue[Sequence], share: int) -> int:
    """Return how many places callers that wait lack of their share."""
    of_caller, sizes = running_of(running), waiting.sizes()
    return sum(max(0, min(sizes[caller], share - of_caller[caller])) for caller in sizes)


def youngest_of_greediest(running: list[Sequence], share: int) -> Sequence | None:
    """Return the youngest sequence of the caller that runs most; None if no caller runs more than its share."""
    of_caller = running_of(running)
    greediest = max(of_caller, key=lambda caller: of_caller[caller], default="")
    if of_caller[greediest] <= share:
        return None
    return next(each for each in reversed(running) if each.caller == greediest)
