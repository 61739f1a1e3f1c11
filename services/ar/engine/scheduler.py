"""Which sequences run in the next step, with how many tokens each: continuous batching in plain Python.

Every sequence needs the keys and values of all its tokens; one that has them all gets its next token. So a
prompt in chunks, a decode step and the recomputation after a preemption are the same thing: some more tokens.
Knows nothing of the model, of text or of callers.

An exception while one sequence is handled ends that sequence: it is taken out, its blocks are freed, and `commit`
reports the error among the step's progress. All others go on.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter
from services.ar.engine.fair_share import FairShares
from services.ar.engine.next_work import next_work
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Progress, StepResult, Work, accept_tokens, finish_reason
from services.common.fair_queue import FairQueue
from tandem.shared.errors import ExpectedError

logger = logging.getLogger(__name__)


class Scheduler:
    """Owns the waiting and running sequences and their blocks.

    max_num_sequences: sequences a step. max_batch_tokens: tokens a step, at least max_num_sequences; what decoding
    sequences leave of it goes to prompts. chunk_tokens, if given: prompts are cut at its multiples and nowhere else,
    and outputs computed again go token by token as at first, so that how a sequence is computed does not depend on the
    others. prefix_cache, if given: what sequences that begin alike have in common is computed once. drafter, if given:
    decoding sequences try several tokens a step, with tokens and blocks that no other sequence needs.
    max_mixed_prefill_tokens, if given: the tokens that prompts get in a step in which others decode, which bounds how
    long they hold those up.

    Callers share places and steps as fair_share.py says; sequences that are not in a step rest, with their blocks.
    """

    def __init__(
        self,
        pool: BlockPool,
        max_num_sequences: int,
        max_batch_tokens: int,
        chunk_tokens: int | None = None,
        prefix_cache: PrefixCache | None = None,
        drafter: Drafter | None = None,
        max_mixed_prefill_tokens: int | None = None,
    ) -> None:
        if max_batch_tokens < max_num_sequences:
            raise ExpectedError(f"max_batch_tokens: {max_batch_tokens} is below max_num_sequences {max_num_sequences}")
        if chunk_tokens is not None and max_batch_tokens < max_num_sequences + chunk_tokens - 1:
            raise ExpectedError(f"max_batch_tokens: {max_batch_tokens} has no room for a chunk of {chunk_tokens}")
        self._pool = pool
        self._chunk_tokens = chunk_tokens
        self._prefix_cache = prefix_cache
        self._drafter = drafter
        self.max_num_sequences = max_num_sequences
        self._max_batch_tokens = max_batch_tokens
        self._max_mixed_prefill_tokens = max_mixed_prefill_tokens or max_batch_tokens
        self._waiting: FairQueue[Sequence] = FairQueue()
        self._running: list[Sequence] = []  # the oldest first
        self._shares = FairShares(self._running, self._waiting, max_num_sequences)
        self._failed: list[Progress] = []  # since the last commit
        self._num_steps = 0
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
        self._waiting.add(sequence)

    def remove(self, sequence: Sequence) -> bool:
        """Take a sequence out, wherever it is, and free its blocks; return False if it has ended before."""
        if sequence in self._running:
            self._running.remove(sequence)
        elif not self._waiting.remove(sequence):
            return False
        self._pool.release(sequence.block_table)
        return True

    def drop_late(self, now: float) -> list[Sequence]:
        """Take out and return those that wait, have not run yet, and could not end by their deadlines any more.

        They were in time when they came; those of callers who have run less have gone before them since.
        """
        late = [one for one in self._waiting if one.latest_start < now and one.scheduled_at is None]
        for sequence in late:
            self.remove(sequence)
        return late

    def schedule(self) -> list[Work]:
        """Return the next step's work, decoding sequences first; empty if there is no work, or all of it failed."""
        batch: list[Work] = []
        self._yield_places()
        preemptions_before = self.num_preemptions
        share = self._shares.share()
        taking_part = self._shares.awake(share)
        decoding = [sequence for sequence in taking_part if not sequence.is_prompt]
        prompts = [sequence for sequence in taking_part if sequence.is_prompt]
        budget = self._continue(decoding, batch, self._max_batch_tokens)
        if batch:
            budget = min(budget, self._max_mixed_prefill_tokens)
        if self._waiting and self._shares.num_callers() > 1:
            budget = self._admit_waiting(batch, budget, most_running=share)
        budget = self._continue(prompts, batch, budget)
        # What a preemption freed is for the running; the victim itself is first in the queue.
        if self.num_preemptions == preemptions_before:
            budget = self._admit_waiting(batch, budget, most_running=self.max_num_sequences)
        self._num_steps += 1
        for work in batch:
            work.sequence.last_step = self._num_steps
        return batch if self._drafter is None else self._with_drafts(batch, budget, self._drafter)

    def _continue(self, sequences: list[Sequence], batch: list[Work], budget: int) -> int:
        """Add work of running sequences to the batch; return what is left of the budget."""
        for sequence in sequences:
            try:
                work = next_work(sequence, self._chunk_tokens, budget)
                if work is not None and self._make_room(sequence, work.num_tokens, batch):
                    batch.append(work)
                    budget -= work.num_tokens
            except Exception as error:
                self._fail_alone(sequence, error)
        return budget

    def _admit_waiting(self, batch: list[Work], budget: int, most_running: int) -> int:
        """Admit waiting sequences whose callers run fewer than `most_running`; return what is left of the budget."""
        while budget and self._waiting and len(self._running) < self.max_num_sequences:
            work = None
            first = self._shares.next_waiting()
            if self._shares.running_of()[first.caller] >= most_running:
                break
            try:
                work = self._admit(first, budget)
            except Exception as error:
                self._fail_alone(first, error)
            if work is not None:
                batch.append(work)
                budget -= work.num_tokens
            elif first in self._waiting:
                break  # it has to wait, and so have those behind it
        return budget

    def _yield_places(self) -> None:
        """Preempt sequences of callers that run more than their share for those that wait and run less."""
        while victim := self._shares.who_must_yield(self._has_blocks):
            self._preempt(victim)

    def _has_blocks(self, sequence: Sequence) -> bool:
        return self._pool.blocks_for(len(sequence.token_ids)) <= self._pool.num_free

    def _fail_alone(self, sequence: Sequence, error: Exception) -> None:
        """End `sequence`, and no other, as what was done with it raised `error`."""
        logger.error("a sequence failed while it was scheduled", exc_info=error)
        self._fail(sequence, error)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self.remove(sequence)
        # It has been logged. Its traceback holds the frames that hand it on: a cycle, with all their sequences.
        self._failed.append(Progress(sequence, [], None, error.with_traceback(None)))

    def _with_drafts(self, batch: list[Work], budget: int, drafter: Drafter) -> list[Work]:
        """Return the works, those that decode with drafts: of equal shares, what one leaves is for those behind it.

        Where there is no row for each of them, rows cost more than they bring, and none has a draft.
        """
        room = min(budget, drafter.max_rows - sum(work.num_tokens for work in batch))
        decoding = [place for place, work in enumerate(batch) if work.is_decode and work.completes]
        if room < len(decoding):
            return batch
        for count, place in enumerate(decoding):
            if room > 0:
                share = -(-room // (len(decoding) - count))
                try:
                    drafted = drafter.add_draft(batch[place], share)
                    if self._pool.grow(drafted.sequence.block_table, drafted.positions.stop):
                        room -= drafted.num_tokens - batch[place].num_tokens
                        batch[place] = drafted
                except Exception as error:
                    self._fail_alone(batch[place].sequence, error)
        failed = {id(progress.sequence) for progress in self._failed}
        return [work for work in batch if id(work.sequence) not in failed] if failed else batch

    def _admit(self, sequence: Sequence, budget: int) -> Work | None:
        """Move a waiting sequence to the running ones, with blocks for all its tokens; None if it can't be."""
        if self._prefix_cache is not None:
            self._prefix_cache.share(sequence)
        work = next_work(sequence, self._chunk_tokens, budget)
        if work is None or not self._pool.grow(sequence.block_table, max(len(sequence.token_ids), work.positions.stop)):
            self._give_back(sequence)
            return None
        self._waiting.take(sequence)
        self._running.append(sequence)
        if self._prefix_cache is not None:
            self._prefix_cache.count(sequence)
        return work

    def _give_back(self, sequence: Sequence) -> None:
        self._pool.release(sequence.block_table)
        sequence.num_computed_tokens = 0

    def _make_room(self, sequence: Sequence, num_tokens: int, batch: list[Work]) -> bool:
        """Give `sequence` the blocks it needs, at the cost of the youngest of the caller that runs most.

        Return False if it had to go itself.
        """
        if sequence not in self._running:
            return False  # preempted earlier in this step
        while not self._pool.grow(sequence.block_table, sequence.num_computed_tokens + num_tokens):
            scheduled = {id(work.sequence) for work in batch}
            running = self._shares.running_of()
            candidates = (s for s in reversed(self._running) if s is sequence or id(s) not in scheduled)
            victim = max(candidates, key=lambda s: running[s.caller])  # the first of equals
            self._preempt(victim)
            if victim is sequence:
                return False
        return True

    def _preempt(self, sequence: Sequence) -> None:
        """Send a sequence back to the head of its connection's queue; all its tokens are computed again in its turn."""
        self._running.remove(sequence)
        self._give_back(sequence)
        self.num_preemptions += 1
        self._waiting.add_first(sequence)

    def commit(self, batch: list[Work], results: list[StepResult]) -> list[Progress]:
        """Enter a step's results: one a work, the tokens sampled (or, for a scored text, met) in it, or an error.

        A work with a draft has one for each of its tokens; those behind the first that is not as drafted are void.
        What a failed work has written to its blocks is never shared. What failed since the last step comes, too.
        """
        entered = [self._commit_one(work, result) for work, result in zip(batch, results, strict=True)]
        failed, self._failed = self._failed, []
        return [progress for progress in entered if progress is not None] + failed

    def _commit_one(self, work: Work, result: StepResult) -> Progress | None:
        if isinstance(result, Exception):
            self._fail(work.sequence, result)
            return None
        try:
            return self._enter(work, result)
        except Exception as error:
            self._fail_alone(work.sequence, error)
        return None

    def _enter(self, work: Work, tokens: list[SampledToken]) -> Progress:
        sequence = work.sequence
        brought = accept_tokens(work, tokens)
        if self._drafter is not None and work.is_drafting:
            self._drafter.judge(work, len(brought) - 1)
        self._advance(work, brought)
        rejected = work.draft[max(0, len(brought) - 1) :]
        if brought and sequence.token_mask is not None and finish_reason(sequence, brought) is None:
            brought = brought + sequence.extend_certain()
        reason = finish_reason(sequence, brought)
        if reason is not None:
            self.remove(sequence)
        return Progress(sequence, brought, reason, rejected=rejected)

    def _advance(self, work: Work, tokens: list[SampledToken]) -> None:
        sequence, num_computed_before = work.sequence, work.sequence.num_computed_tokens
        num_accepted = len(tokens) - 1 if work.draft else 0
        sequence.num_computed_tokens += work.num_given + num_accepted
        sequence.extend(tokens)
        if self._prefix_cache is not None:
            self._prefix_cache.keep(sequence, num_computed_before)
        if work.is_drafting:
            # A block in which only MASK rows and what was rejected stand may be all that another sequence lacks.
            self._pool.release(sequence.block_table, sequence.num_computed_tokens)

    @contextmanager
    def probe(self) -> Iterator[list[Work]]:
        """Lend a block for a step of one token that shows whether the model can be computed at all.

        The batch is empty if no block is free.
        """
        sequence = Sequence([0], SamplingParams(max_tokens=1, temperature=0.0))
        has_room = self._pool.grow(sequence.block_table, 1)
        try:
            yield [Work(sequence, 1)] if has_room else []
        finally:
            self._pool.release(sequence.block_table)

    def check_integrity(self) -> None:
        """Raises AssertionError if blocks are lost or a sequence holds too few of them."""
        self._pool.check_integrity([sequence.block_table for sequence in self._running])
        if any(sequence.block_table for sequence in self._waiting):
            raise AssertionError("scheduler: a waiting sequence holds blocks")
