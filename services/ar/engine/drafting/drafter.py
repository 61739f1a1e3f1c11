"""Speculative decoding: a decoding sequence takes along what may be its next tokens, and one step checks them all.

Each place's token is sampled from the model's own distribution there, with that place's own random number, and a draft
holds as far as it is what was sampled. As a draft is one definite token a place, that accepts it as often as the
rejection sampling of Leviathan et al. 2023 and Chen et al. 2023 does, and the output is the very one there would have
been without drafts. Knows sequences, not the model.
"""

from abc import ABC, abstractmethod

from services.ar.engine.sequence import SampledToken, Sequence
from services.ar.engine.step import Work


class Drafter(ABC):
    """Where drafts come from is a subclass' own.

    max_tokens: that a sequence may draft a step. max_rows: rows of a step with drafts, over all sequences; a step of so
    many should hardly take longer than one of a single token, or else drafts cost more than they bring.
    """

    def __init__(self, max_tokens: int, max_rows: int) -> None:
        self._max_tokens = max_tokens
        self.max_rows = max_rows
        self.num_drafted_tokens = 0
        self.num_accepted_tokens = 0

    @abstractmethod
    def drafted(self, work: Work, max_rows: int) -> Work:
        """Return a work that decodes with a draft of at most `max_rows` rows more, as it is if there is none."""

    def judge(self, work: Work, tokens: list[SampledToken], num_accepted: int) -> None:
        """Note how many tokens of a work's draft held; `tokens` are all that were sampled in its step."""
        self.num_drafted_tokens += len(work.draft)
        self.num_accepted_tokens += num_accepted
        self._learn(work, tokens, num_accepted)

    @abstractmethod
    def _learn(self, work: Work, tokens: list[SampledToken], num_accepted: int) -> None:
        """Take in what `judge` was told."""


def most_tokens(sequence: Sequence) -> int:
    """Return how many tokens a draft may have: behind its last, one more is wanted."""
    return sequence.params.max_tokens - sequence.num_output_tokens - 1
