"""How much tests of faults and of fuzzed input do: quick inside `make test`, full in `make test-faults`."""

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

QUICK, FULL = "quick", "full"


@dataclass(frozen=True)
class Effort:
    """Chooses the counts of a row; `name` is "quick" or "full"."""

    name: str

    @property
    def is_full(self) -> bool:
        return self.name == FULL

    def of(self, quick: T, full: T) -> T:
        """Return the count, duration or list for this effort."""
        return full if self.is_full else quick
