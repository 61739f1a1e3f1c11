"""The random numbers of sampling: counter-based, so that a token does not depend on what is drawn beside it."""

from services.common.philox import Philox


class UniformNumbers:
    """Numbers keyed by seed and choice, counted by position. Used by one thread."""

    def __init__(self) -> None:
        self._philox = Philox()

    def at(self, seed: int, choice_index: int, position: int) -> float:
        """Return the number in [0, 1) of a position of one of a seed's sequences; the seed is below 2**64."""
        return float(self._philox.at((seed, choice_index), (position, 0)).random_raw() >> 11) * 2.0**-53
