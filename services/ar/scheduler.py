"""Which sequences run in the next step, with how many tokens each: continuous batching in plain Python.

Every sequence wants the keys and values of all its tokens computed; one that has them all gets its next token. So a
prompt in chunks, a decode step and the recomputation after a preemption are the same thing: some more tokens.
Knows nothing of the model, of text or of callers.
"""

from collections import deque
from dataclasses import dataclass
from itertools import takewhile

from services.ar.block_pool import BlockPool
from services.ar.drafter import Drafter
from services.ar.prefix_cache import PrefixCache
from services.ar.sequence import FinishReason, SampledToken, Sequence


@dataclass(frozen=True)
class Work:
    """Tokens of one sequence in one step: `num_tokens` from its first uncomputed one, those of `draft` the last."""

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()

    @property
    def positions(self) -> range:
        first = self.sequence.num_computed_tokens
        return range(first, first + self.num_tokens)

    @property
    def is_decode(self) -> bool:
        """Whether it is one token of the sequence, with a draft or without."""
        return self.num_tokens == 1 + len(self.draft)

    @property
    def completes(self) -> bool:
        """Whether the sequence gets its next token in this step; with a draft, as many more as hold."""
        is_last = self.num_tokens - len(self.draft) == self.sequence.num_uncomputed_tokens
        return is_last and not self.sequence.is_scored


@dataclass(frozen=True)
class Progress:
    """What a step brought to one sequence."""

    sequence: Sequence
    tokens: list[SampledToken]
    finish_reason: FinishReason | None


class Scheduler:
    """Owns the waiting and running sequences and their blocks.

    max_num_sequences: sequences a step. max_batch_tokens: tokens a step, at least max_num_sequences; what decoding
    sequences leave of it goes to prompts, so it bounds how long a prompt can hold up running streams. chunk_tokens, if
    given: prompts are cut at its multiples and nowhere else, and outputs computed again go token by token as at first,
    so that how a sequence is computed does not depend on the others. prefix_cache, if given: what sequences that begin
    alike have in common is computed once. drafter, if given: decoding sequences try several tokens a step, with what
    tokens and blocks nobody else wants.
    """

    def __init__(
        self,
        pool: BlockPool,
        max_num_sequences: int,
        max_batch_tokens: int,
        chunk_tokens: int | None = None,
        prefix_cache: PrefixCache | None = None,
        drafter: Drafter | None = None,
    ) -> None:
        if max_batch_tokens < max_num_sequences:
            raise ValueError(f"max_batch_tokens: {max_batch_tokens} is less than max_num_sequences {max_num_sequences}")
        if chunk_tokens is not None and max_batch_tokens < max_num_sequences + chunk_tokens - 1:
            raise ValueError(f"max_batch_tokens: {max_batch_tokens} has no room for a chunk of {chunk_tokens} tokens")
        self._pool = pool
        self._chunk_tokens = chunk_tokens
        self._prefix_cache = prefix_cache
        self._drafter = drafter
        self.max_num_sequences = max_num_sequences
        self._max_batch_tokens = max_batch_tokens
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []  # the oldest first
        self.num_preemptions = 0

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, sequence: Sequence) -> None:
        self._waiting.append(sequence)

    def remove(self, sequence: Sequence) -> bool:
        """Take a sequence out, wherever it is, and free its blocks; return False if it has ended before."""
        if sequence in self._running:
            self._running.remove(sequence)
        elif sequence in self._waiting:
            self._waiting.remove(sequence)
        else:
            return False
        self._pool.release(sequence.block_table)
        return True

    def schedule(self) -> list[Work]:
        """Return the next step's work, decoding sequences first; empty only if there is no work at all."""
        batch: list[Work] = []
        budget = self._max_batch_tokens
        preemptions_before = self.num_preemptions
        for sequence in sorted(self._running, key=lambda s: s.num_uncomputed_tokens > 1):
            num_tokens = self._next_tokens(sequence, budget)
            if num_tokens and self._make_room(sequence, num_tokens, batch):
                batch.append(Work(sequence, num_tokens))
                budget -= num_tokens
        preempted = self.num_preemptions > preemptions_before
        # What a preemption freed is for the running; the victim itself is first in the queue.
        while budget and not preempted and (admitted := self._admit(budget)):
            num_tokens = self._next_tokens(admitted, budget)
            batch.append(Work(admitted, num_tokens))
            budget -= num_tokens
        return batch if self._drafter is None else self._with_drafts(batch, budget, self._drafter)

    def _with_drafts(self, batch: list[Work], budget: int, drafter: Drafter) -> list[Work]:
        """Return the works, those that decode with drafts: of equal shares, what one leaves is for those behind it."""
        room = min(budget, drafter.max_rows - sum(work.num_tokens for work in batch))
        decoding = [place for place, work in enumerate(batch) if work.is_decode and work.completes]
        for count, place in enumerate(decoding):
            if room > 0:
                share = -(-room // (len(decoding) - count))
                batch[place] = self._with_draft(batch[place], drafter.draft(batch[place].sequence, share))
                room -= len(batch[place].draft)
        return batch

    def _with_draft(self, work: Work, draft: tuple[int, ...]) -> Work:
        drafted = Work(work.sequence, work.num_tokens + len(draft), draft)
        has_room = self._pool.grow(work.sequence.block_table, drafted.positions.stop)
        return drafted if has_room else work

    def _next_tokens(self, sequence: Sequence, budget: int) -> int:
        """Return how many tokens of a sequence are computed next, 0 if that has to wait for a larger budget."""
        if self._chunk_tokens is None:
            return min(sequence.num_uncomputed_tokens, budget)
        num_prompt_tokens = sequence.num_uncomputed_tokens - sequence.num_output_tokens
        to_cut = self._chunk_tokens - sequence.num_computed_tokens % self._chunk_tokens
        num_tokens = min(num_prompt_tokens, to_cut) if num_prompt_tokens > 0 else 1
        return num_tokens if num_tokens <= budget else 0

    def _admit(self, budget: int) -> Sequence | None:
        """Move the first waiting sequence to the running ones, with blocks for all its tokens; None if it can't be."""
        if not self._waiting or len(self._running) == self.max_num_sequences:
            return None
        sequence = self._waiting[0]
        if self._prefix_cache is not None:
            self._prefix_cache.share(sequence)
        if not self._next_tokens(sequence, budget) or not self._pool.grow(
            sequence.block_table, len(sequence.token_ids)
        ):
            self._give_back(sequence)
            return None
        self._running.append(self._waiting.popleft())
        if self._prefix_cache is not None:
            self._prefix_cache.count(sequence)
        return sequence

    def _give_back(self, sequence: Sequence) -> None:
        self._pool.release(sequence.block_table)
        sequence.num_computed_tokens = 0

    def _make_room(self, sequence: Sequence, num_tokens: int, batch: list[Work]) -> bool:
        """Give `sequence` the blocks it needs, at the cost of younger ones; return False if it had to go itself."""
        if sequence not in self._running:
            return False  # preempted earlier in this step
        scheduled = {id(work.sequence) for work in batch}
        while not self._pool.grow(sequence.block_table, sequence.num_computed_tokens + num_tokens):
            victim = next(s for s in reversed(self._running) if s is sequence or id(s) not in scheduled)
            self._preempt(victim)
            if victim is sequence:
                return False
        return True

    def _preempt(self, sequence: Sequence) -> None:
        """Send a sequence back to the head of the queue; all its tokens are computed again when its turn comes."""
        self._running.remove(sequence)
        self._give_back(sequence)
        self._waiting.appendleft(sequence)
        self.num_preemptions += 1

    def commit(self, batch: list[Work], results: list[list[SampledToken]]) -> list[Progress]:
        """Enter a step's results: one list a work, the tokens sampled (or, for a scored text, met) in it.

        A work with a draft has one for each of its tokens; those behind the first that is not as drafted are void.
        """
        return [self._commit_one(work, tokens) for work, tokens in zip(batch, results, strict=True)]

    def _commit_one(self, work: Work, tokens: list[SampledToken]) -> Progress:
        sequence = work.sequence
        if work.draft:
            tokens = tokens[: 1 + _num_accepted(work.draft, tokens)]
        self._advance(work, tokens)
        reason = _finish_reason(sequence, tokens)
        if reason is not None:
            self.remove(sequence)
        return Progress(sequence, tokens, reason)

    def _advance(self, work: Work, tokens: list[SampledToken]) -> None:
        sequence, num_computed_before = work.sequence, work.sequence.num_computed_tokens
        num_accepted = len(tokens) - 1 if work.draft else 0
        sequence.num_computed_tokens += work.num_tokens - len(work.draft) + num_accepted
        if not sequence.is_scored:
            sequence.token_ids.extend(token.token_id for token in tokens)
        if self._prefix_cache is not None:
            self._prefix_cache.keep(sequence, num_computed_before)
        if work.draft and self._drafter is not None:
            self._drafter.judge(sequence, len(work.draft), num_accepted)
            # A block that only what was rejected stands in may be all that another one lacks.
            self._pool.release(sequence.block_table, sequence.num_computed_tokens)

    def check_integrity(self) -> None:
        """Raises AssertionError if blocks are lost or a sequence holds too few of them."""
        self._pool.check_integrity([sequence.block_table for sequence in self._running])
        if any(sequence.block_table for sequence in self._waiting):
            raise AssertionError("scheduler: a waiting sequence holds blocks")


def _num_accepted(draft: tuple[int, ...], tokens: list[SampledToken]) -> int:
    pairs = zip(draft, tokens, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1].token_id, pairs))


def _finish_reason(sequence: Sequence, tokens: list[SampledToken]) -> FinishReason | None:
    if sequence.is_scored:
        return FinishReason.SCORED if sequence.num_uncomputed_tokens == 0 else None
    if tokens and tokens[-1].token_id in sequence.ending_token_ids:
        return FinishReason.STOP
    if sequence.num_output_tokens >= sequence.params.max_tokens:
        return FinishReason.LENGTH
    return None
