"""One step of the engine: the work that goes into it, what is computed of it, and what it brings to each sequence.

Knows no queues.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence

StepResult: TypeAlias = list[SampledToken] | Exception
"""What a step computed for one work: its tokens, or why there are none."""


@dataclass(slots=True)  # not frozen: a step makes one for each sequence, at twice the time then
class Work:
    """Rows of one sequence in one step: `num_tokens` from its first uncomputed token, those of `draft` behind its own.

    `num_masked`: MASK rows behind them, for the tokens of a group, or for what the next draft is to be.
    `num_predicted`: tokens that a draft head is to predict, at most, behind those that the step brings. `predicted`:
    what either of them has predicted, once the step has run.
    """

    sequence: Sequence
    num_tokens: int
    draft: tuple[int, ...] = ()
    num_masked: int = 0
    num_predicted: int = 0
    predicted: tuple[int, ...] = ()

    @property
    def positions(self) -> range:
        first = self.sequence.num_computed_tokens
        return range(first, first + self.num_tokens)

    @property
    def is_decode(self) -> bool:
        """Whether it is one token of the sequence, with what was certain, with a draft or without, and no group."""
        is_new = self.num_given <= 1 + self.sequence.num_certain_tokens
        return is_new and (self.sequence.groups is None or not self.num_masked)

    @property
    def is_drafting(self) -> bool:
        """Whether it has a draft, or is to predict the next one."""
        return self.sequence.groups is None and bool(self.draft or self.num_masked or self.num_predicted)

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
        groups, start = self.sequence.groups, self.positions.start
        if groups is None:
            return max(0, start + 1 - self.sequence.num_context_tokens)
        return start + self.num_given - groups.num_prompt_tokens


@dataclass(slots=True)  # as above
class Progress:
    """What steps brought to one sequence; `error` says why it ended, if it failed. Times are monotonic seconds."""

    sequence: Sequence
    tokens: list[SampledToken]
    finish_reason: FinishReason | None
    error: Exception | None = None
    first_sampled_at: float = 0.0
    last_sampled_at: float = 0.0
    rejected: tuple[int, ...] = ()
    """Tokens that the last step had tried ahead and that did not hold."""

    @property
    def is_last(self) -> bool:
        return self.finish_reason is not None or self.error is not None


def keep_predicted(work: Work, result: StepResult) -> StepResult:
    """Return a work's result without what its MASK rows predict for the next draft, which the work keeps."""
    if isinstance(result, Exception) or not work.num_masked or work.sequence.groups is not None:
        return result
    num_checked = 1 + len(work.draft)
    work.predicted = tuple(token.token_id for token in result[num_checked:])
    return result[:num_checked]


def accept_tokens(work: Work, tokens: list[SampledToken]) -> list[SampledToken]:
    """Return the tokens that a work brought, without what stands behind a wrong draft, or behind an end token.

    Of a scored text that is computed again after a preemption, those are left out that its reader has.
    """
    if work.sequence.is_scored:
        return tokens[work.sequence.num_scored_tokens - work.num_scored_before :]
    if work.sequence.groups is None:
        if len(tokens) > 1:
            held = takewhile(lambda pair: pair[0] == pair[1].token_id, zip(work.draft, tokens, strict=False))
            tokens = tokens[: 1 + sum(1 for _ in held)]
        if len(tokens) < 2:
            return tokens
    ending = work.sequence.final_token_ids
    place = next((place for place, token in enumerate(tokens, 1) if token.token_id in ending), len(tokens))
    return tokens[:place]


def finish_reason(sequence: Sequence, tokens: list[SampledToken]) -> FinishReason | None:
    """Return why a sequence ends that has just got `tokens`, None if it goes on."""
    if sequence.is_scored:
        return FinishReason.SCORED if sequence.num_uncomputed_tokens == 0 else None
    if tokens and (tokens[-1].token_id in sequence.final_token_ids or sequence.is_complete):
        return FinishReason.STOP
    if sequence.num_output_tokens >= sequence.params.max_tokens:
        return FinishReason.LENGTH
    return None


@dataclass(slots=True)  # not frozen: a step makes one for each row, at twice the time then
class LogitsRow:
    """Whose logits a row is: `forced` is the token that stands there already when a text is scored.

    `drafted`: tokens taken to stand behind the sequence's own; the row's token comes behind them. `allowed`: which
    tokens it may be, a bit for each as `TokenMask.masks` has them; None if any. `num_masked_before`: MASK rows of
    the same step before it.
    """

    sequence: Sequence
    forced: int | None = None
    drafted: tuple[int, ...] = ()
    allowed: bytes | None = None
    num_masked_before: int = 0

    @property
    def params(self) -> SamplingParams:
        return self.sequence.params

    @property
    def position(self) -> int:
        """The number of its token among those of the output, in the order in which they are generated."""
        return self.sequence.num_output_tokens + len(self.drafted) + self.num_masked_before

    @property
    def may_end(self) -> bool:
        """Whether its token may be one that ends the output."""
        groups = self.sequence.groups
        place = groups.new_places[self.position] if groups is not None and groups.places else self.position
        return place >= self.params.min_tokens

    @property
    def unwanted_token_ids(self) -> frozenset[int]:
        """Tokens that are not to be chosen as long as another one is allowed: ends that are too early or ignored."""
        own = self.sequence.eos_token_ids if self.params.ignore_eos else frozenset()
        return own if self.may_end else own | self.sequence.ending_token_ids


class Layout:
    """A batch laid out flat, work after work in the order given: those of one row first, then others that decode.

    `positions`: of rows in their sequences, whose order attention goes by. `text_positions`: where in the text they
    stand, which their rotary angles tell.

    A draft's tokens are rows like any others, and each row's logits are wanted. See drafting.py for the MASK rows
    behind one, and sequence.py for those of a sequence whose tokens are generated in groups.
    """

    def __init__(self, batch: list[Work], block_size: int) -> None:
        self.token_ids: list[int] = []
        self.positions: list[int] = []
        self.text_positions: list[int] = []
        self.decodes: list[Work] = []
        self.chunks: list[tuple[Work, int]] = []
        self.logits_indices: list[int] = []
        self.logits_rows: list[LogitsRow] = []
        self.tokens_per_work: list[int] = []
        self.rows_of_works: list[range] = []
        self._works = batch
        self._block_size = block_size
        for work in batch:
            self._add(work)

    @property
    def slots(self) -> list[int]:
        """Where in the cache the key and value of each row stand; the kernel finds them itself."""
        size = self._block_size
        slots: list[int] = []
        for work, rows in zip(self._works, self.rows_of_works, strict=True):
            table, positions = work.sequence.block_table, self.positions[rows.start : rows.stop]
            slots.extend(table[place // size] * size + place % size for place in positions)
        return slots

    def _add(self, work: Work) -> None:
        sequence, start = work.sequence, len(self.token_ids)
        if work.num_tokens == 1:
            self.decodes.append(work)
        else:
            self.chunks.append((work, start))
        positions = work.positions
        if len(sequence.block_table) * self._block_size < positions.stop:
            raise IndexError(f"{len(sequence.block_table)} blocks for {positions.stop} tokens")
        self.token_ids.extend(sequence.token_ids[positions.start : positions.start + work.num_given])
        if work.draft:
            self.token_ids.extend(work.draft)
        if work.num_masked:
            if sequence.mask_token_id is None:
                raise ValueError("a sequence has groups of tokens, but no MASK token")
            self.token_ids.extend([sequence.mask_token_id] * work.num_masked)
        self.positions.extend(positions)
        self.text_positions.extend(sequence.text_positions(positions))
        self._add_logits(work, start)

    def _add_logits(self, work: Work, start: int) -> None:
        sequence, before = work.sequence, len(self.logits_rows)
        if sequence.groups is not None:
            if sequence.is_scored or work.completes:
                self._add_group(work, start + work.num_given)
        elif sequence.is_scored:
            positions = work.positions
            first = max(positions.start, min(sequence.num_context_tokens - 1, positions.stop))
            following = sequence.token_ids[first + 1 : positions.stop + 1]
            self.logits_rows.extend(LogitsRow(sequence, token_id) for token_id in following)
            self.logits_indices.extend(range(start + first - positions.start, start + work.num_tokens))
        elif work.completes:
            self._add_checked(work, start + work.num_given - 1)
        self.tokens_per_work.append(len(self.logits_rows) - before)
        self.rows_of_works.append(range(start, start + work.num_tokens))

    def _add_checked(self, work: Work, first: int) -> None:
        """Add the rows of the sequence's last token and of the draft, and MASK rows but for the first."""
        if not work.is_drafting:
            self.logits_rows.append(LogitsRow(work.sequence))
            self.logits_indices.append(first)
            return
        sequence, num_checked = work.sequence, 1 + len(work.draft)
        self.logits_rows.extend(LogitsRow(sequence, drafted=work.draft[:count]) for count in range(num_checked))
        self.logits_indices.extend(range(first, first + num_checked))
        predicted = range(1, work.num_masked)
        self.logits_rows.extend(LogitsRow(sequence, drafted=work.draft, num_masked_before=place) for place in predicted)
        self.logits_indices.extend(first + num_checked + place for place in predicted)

    def _add_group(self, work: Work, first_masked: int) -> None:
        sequence, stop = work.sequence, work.positions.stop
        forced = sequence.token_ids[stop - work.num_masked : stop] if sequence.is_scored else [None] * work.num_masked
        self.logits_rows.extend(
            LogitsRow(sequence, token_id, num_masked_before=place) for place, token_id in enumerate(forced)
        )
        self.logits_indices.extend(range(first_masked, first_masked + work.num_masked))


logger = logging.getLogger(__name__)

Run = Callable[[list[Work]], list[StepResult]]


def run_isolated(run: Run, batch: list[Work]) -> list[StepResult]:
    """Return what `run` returns for the batch; if it raises, the batch is run in halves until the guilty ones are left.

    A work that fails alone has its exception as its result. With one guilty work in a batch of n that takes about
    2 log2(n) further runs.
    """
    try:
        return run(batch)
    except Exception as error:
        if len(batch) == 1:
            logger.exception("a step failed for one sequence")
            return [error]
    logger.warning("a step of %d sequences failed; it is run again in halves", len(batch))
    middle = len(batch) // 2
    return run_isolated(run, batch[:middle]) + run_isolated(run, batch[middle:])
