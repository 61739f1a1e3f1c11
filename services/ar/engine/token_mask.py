"""What rules tokens out of an output, as the engine sees it. Knows nothing of grammars and tensors."""

from collections.abc import Sequence
from typing import Protocol


class TokenMask(Protocol):
    """Follows one sequence's output; its state is that behind all tokens it was advanced by. Used by one thread."""

    @property
    def is_complete(self) -> bool:
        """Whether the output is one that was asked for, and no token can follow it."""

    def masks(self, draft: Sequence[int]) -> list[bytes]:
        """Return which tokens may come next, and which behind each token of the draft; the state stays as it is.

        One bit for each token, the first in the lowest bit of the first byte. The list ends early where a token of the
        draft is ruled out or completes the output. Raises TandemError if the allowed tokens cannot be computed.
        """

    def num_allowed(self, draft: Sequence[int]) -> int:
        """Return how many tokens of the draft may follow one after another, without completing the output."""

    def advance(self, token_ids: Sequence[int]) -> None:
        """Take tokens that were generated. Raises TandemError if the next ones cannot be computed, ValueError if they
        had been ruled out."""
