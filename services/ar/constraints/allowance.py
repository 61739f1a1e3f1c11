"""The processor time that one request's masks may take from the engine, which works for all. Knows no grammars."""

from tandem.shared.errors import TooComplex

BURST_SECONDS = 0.05
SECONDS_A_MASK = 0.001
"""The masks of a usual schema take 0.02 to 0.2 ms on average, a first one now and then 10 ms."""


class Allowance:
    """So much time for each mask, and a burst on top of it, which fills up again."""

    def __init__(self) -> None:
        self._left_seconds = BURST_SECONDS

    def spend(self, seconds: float, num_masks: int) -> None:
        """Note that so many masks took so long. Raises TooComplex if that is more than there was."""
        self._left_seconds = min(BURST_SECONDS, self._left_seconds + num_masks * SECONDS_A_MASK - seconds)
        if self._left_seconds < 0.0:
            raise TooComplex("the constraint takes too long to follow")
