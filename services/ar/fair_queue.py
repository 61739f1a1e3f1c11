"""The waiting sequences, served in turns by caller: a caller that sends many waits behind itself, not before others.

Round robin over the callers that wait, first come first served within each (Nagle 1987, fair queueing). A sequence that
was preempted comes before all of them. Knows nothing of blocks, steps or models.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator

from services.ar.sequence import Sequence


class FairQueue:
    """A queue of sequences whose `caller` says whose they are."""

    def __init__(self) -> None:
        self._preempted: deque[Sequence] = deque()
        self._of_caller: OrderedDict[str, deque[Sequence]] = OrderedDict()  # whose turn is next comes first
        self._num_sequences = 0

    def __len__(self) -> int:
        return self._num_sequences

    def __iter__(self) -> Iterator[Sequence]:
        yield from self._preempted
        for sequences in self._of_caller.values():
            yield from sequences

    @property
    def callers(self) -> set[str]:
        """The callers that have a sequence here."""
        return {*self._of_caller, *(sequence.caller for sequence in self._preempted)}

    @property
    def first(self) -> Sequence:
        """The sequence that is next; the queue must not be empty."""
        return self._preempted[0] if self._preempted else next(iter(self._of_caller.values()))[0]

    def add(self, sequence: Sequence) -> None:
        self._of_caller.setdefault(sequence.caller, deque()).append(sequence)
        self._num_sequences += 1

    def add_preempted(self, sequence: Sequence) -> None:
        """Add a sequence that had begun, before all others."""
        self._preempted.appendleft(sequence)
        self._num_sequences += 1

    def pop(self) -> Sequence:
        """Take the first sequence; the turn passes on to the next caller."""
        sequence = self.first
        self._num_sequences -= 1
        if self._preempted:
            return self._preempted.popleft()
        own = self._of_caller[sequence.caller]
        own.popleft()
        if own:
            self._of_caller.move_to_end(sequence.caller)
        else:
            del self._of_caller[sequence.caller]
        return sequence

    def remove(self, sequence: Sequence) -> bool:
        """Take a sequence out, wherever it stands; return whether it was here."""
        own = self._of_caller.get(sequence.caller, deque())
        for sequences in (self._preempted, own):
            if sequence in sequences:
                sequences.remove(sequence)
                self._num_sequences -= 1
                if not own:
                    self._of_caller.pop(sequence.caller, None)
                return True
        return False

    def num_ahead_of(self, caller: str) -> int:
        """Return how many sequences will be taken before one that this caller would add now."""
        own_place = len(self._of_caller.get(caller, ()))
        num_ahead, rounds = (
            len(self._preempted) + own_place,
            own_place + 1,
        )  # in which those before it in turn are served
        for name, sequences in self._of_caller.items():
            if name == caller:
                rounds = own_place
            else:
                num_ahead += min(len(sequences), rounds)
        return num_ahead
