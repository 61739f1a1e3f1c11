"""One step of the engine: the work that goes into it, what is computed of it, and what it brings to each sequence.

Knows no queues.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import FinishReason, SampledToken, Sequence

StepResult: TypeAlias = list[SampledToken] | Exception
"""What a step computed for one work: its tokens, or why there are none."""


@dataclass(slots=True)  # not frozen: a step makes one for each sequence, at twice the time then
class Work:
    """Rows of one sequence in one step: `num_tokens` from its first uncomputed token, those of `draft` behind its own.

    `num_masked`: MASK rows behind them, for the tokens of a group, or for what the next draft is to be.
    """

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()
    num_masked: int = 0

    @property
    def positions(self) -> range:
        first = self.sequence.num_computed_tokens
        return range(first, first + self.num_tokens)

    @property
    def is_decode(self) -> bool:
        """Whether it is one token of the sequence, with a draft or without, and no group."""
        return self.sequence.groups is None and self.num_given == 1

    @property
    def is_drafting(self) -> bool:
        """Whether it has a draft, or MASK rows for the next one."""
        return self.sequence.groups is None and bool(self.draft or self.num_masked)

    @property
    def completes(self) -> bool:
        """Whether the sequence gets its next token in this step; with a draft, as many more as hold."""
        return self.num_given == self.sequence.num_uncomputed_tokens and not self.sequence.is_scored

    @property
    def num_given(self) -> int:
        """Tokens that the sequence has already: no draft, no MASK."""
        return self.num_tokens - len(self.draft) - self.num_masked

    @property
    def num_scored_before(self) -> int:
        """Of a scored text: how many tokens the rows before these ones score."""
        groups = self.sequence.groups
        return self.positions.start if groups is None else self.positions.start + self.num_given - groups.ends[0]


@dataclass(slots=True)  # as above
class Progress:
    """What a step brought to one sequence; `error` says why it ended, if it failed."""

    sequence: Sequence
    tokens: list[SampledToken]
    finish_reason: FinishReason | None
    error: Exception | None = None


def next_work(sequence: Sequence, chunk_tokens: int | None, budget: int) -> Work | None:
    """Return what is computed next of a sequence, None if that has to wait for a larger budget.

    chunk_tokens, if given: prompts are cut at its multiples, and outputs computed again go token by token. Groups are
    computed again, and scored, as they were generated: the tokens of one, with the MASK rows of the next.
    """
    if sequence.groups is not None:
        known, masked = sequence.groups.known_and_masked(sequence.num_computed_tokens)
        work = Work(sequence, masked - sequence.num_computed_tokens, num_masked=masked - known)
        return work if work.num_tokens <= budget else None
    num_tokens = _next_tokens(sequence, chunk_tokens, budget)
    return Work(sequence, num_tokens) if num_tokens else None


def _next_tokens(sequence: Sequence, chunk_tokens: int | None, budget: int) -> int:
    if chunk_tokens is None:
        return min(sequence.num_uncomputed_tokens, budget)
    num_prompt_tokens = sequence.num_uncomputed_tokens - sequence.num_output_tokens
    to_cut = chunk_tokens - sequence.num_computed_tokens % chunk_tokens
    num_tokens = min(num_prompt_tokens, to_cut) if num_prompt_tokens > 0 else 1
    return num_tokens if num_tokens <= budget else 0


def num_accepted(draft: tuple[int, ...], tokens: list[SampledToken]) -> int:
    """Return how many tokens of a draft are those that were sampled, up to the first that is not."""
    pairs = zip(draft, tokens, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].token_id, pairs))


def accepted(work: Work, tokens: list[SampledToken]) -> list[SampledToken]:
    """Return the tokens that a work brought, without what stands behind a wrong draft, or behind an end token.

    Of a scored text that is computed again after a preemption, those are left out that its reader has.
    """
    if work.sequence.is_scored:
        return tokens[work.sequence.num_scored_tokens - work.num_scored_before :]
    if work.sequence.groups is None:
        if len(tokens) > 1:
            tokens = tokens[: 1 + num_accepted(work.draft, tokens)]
        if len(tokens) < 2:
            return tokens
    ending = work.sequence.ending_token_ids
    place = next((place for place, token in enumerate(tokens, 1) if token.token_id in ending), len(tokens))
    return tokens[:place]


def finish_reason(sequence: Sequence, tokens: list[SampledToken]) -> FinishReason | None:
    """Return why a sequence ends that has just got `tokens`, None if it goes on."""
    if sequence.is_scored:
        return FinishReason.SCORED if sequence.num_uncomputed_tokens == 0 else None
    if tokens and (tokens[-1].token_id in sequence.ending_token_ids or sequence.is_complete):
        return FinishReason.STOP
    if sequence.num_output_tokens >= sequence.params.max_tokens:
        return FinishReason.LENGTH
    return None


@contextmanager
def probe(pool: BlockPool) -> Iterator[list[Work]]:
    """Lend a block for a step of one token that shows whether the model can be computed at all.

    The batch is empty if no block is free.
    """
    sequence = Sequence([0], SamplingParams(max_tokens=1, temperature=0.0))
    has_room = pool.grow(sequence.block_table, 1)
    try:
        yield [Work(sequence, 1)] if has_room else []
    finally:
        pool.release(sequence.block_table)
