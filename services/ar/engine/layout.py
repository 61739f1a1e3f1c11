"""A step's work laid out flat: what stands in each row, and which rows' logits are wanted. Knows no tensors."""

from dataclasses import dataclass

from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work


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
        """The place of its token in the output."""
        return self.sequence.num_output_tokens + len(self.drafted) + self.num_masked_before

    @property
    def may_end(self) -> bool:
        """Whether its token may be one that ends the output."""
        return self.position >= self.params.min_tokens

    @property
    def unwanted_token_ids(self) -> frozenset[int]:
        """Tokens that are not to be chosen as long as another one is allowed: ends that are too early or ignored."""
        own = self.sequence.eos_token_ids if self.params.ignore_eos else frozenset()
        return own if self.may_end else own | self.sequence.ending_token_ids


class Layout:
    """A batch laid out flat, work after work in the order given: those of one row first, then others that decode.

    A draft's tokens are rows like any others, and each row's logits are wanted. See drafting/ for the MASK rows behind
    one, and token_groups.py for those of a sequence whose tokens are generated in groups.
    """

    def __init__(self, batch: list[Work], block_size: int) -> None:
        self.token_ids: list[int] = []
        self.positions: list[int] = []
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
        if work.num_masked and sequence.mask_token_id is not None:
            self.token_ids.extend([sequence.mask_token_id] * work.num_masked)
        self.positions.extend(positions)
        self._add_logits(work, start)

    def _add_logits(self, work: Work, start: int) -> None:
        sequence, before = work.sequence, len(self.logits_rows)
        if sequence.groups is not None:
            if sequence.is_scored or work.completes:
                self._add_group(work, start + work.num_given)
        elif sequence.is_scored:
            first = sequence.num_computed_tokens
            following = sequence.token_ids[first + 1 : first + 1 + work.num_tokens]
            self.logits_rows.extend(LogitsRow(sequence, token_id) for token_id in following)
            self.logits_indices.extend(range(start, start + work.num_tokens))
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
