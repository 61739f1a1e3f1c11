"""A step's work laid out flat: what stands in each row, and which rows' logits are wanted. Knows no tensors."""

from services.ar.sampling import LogitsRow
from services.ar.scheduler import Work


class Layout:
    """A batch laid out flat, work after work in the order given: those of one token first, then those with a draft.

    A draft's tokens are rows like any others, and each row's logits are wanted.
    """

    def __init__(self, batch: list[Work], block_size: int) -> None:
        self.token_ids: list[int] = []
        self.positions: list[int] = []
        self.slots: list[int] = []
        self.decodes: list[Work] = []
        self.chunks: list[tuple[Work, int]] = []
        self.logits_indices: list[int] = []
        self.logits_rows: list[LogitsRow] = []
        self.tokens_per_work: list[int] = []
        self.rows_of_works: list[range] = []
        for work in batch:
            self._add(work, block_size)

    def _add(self, work: Work, block_size: int) -> None:
        sequence, start = work.sequence, len(self.token_ids)
        if work.num_tokens == 1:
            self.decodes.append(work)
        else:
            self.chunks.append((work, start))
        positions = work.positions
        self.token_ids.extend(sequence.token_ids[positions.start : positions.stop])
        self.token_ids.extend(work.draft)
        self.positions.extend(positions)
        self.slots.extend(sequence.block_table[p // block_size] * block_size + p % block_size for p in positions)
        self._add_logits(work, start)

    def _add_logits(self, work: Work, start: int) -> None:
        sequence, before = work.sequence, len(self.logits_rows)
        if sequence.is_scored:
            first = sequence.num_computed_tokens
            following = sequence.token_ids[first + 1 : first + 1 + work.num_tokens]
            self.logits_rows.extend(LogitsRow(sequence, token_id) for token_id in following)
            self.logits_indices.extend(range(start, start + work.num_tokens))
        elif work.completes:
            stop, num_drafted = start + work.num_tokens, len(work.draft)
            self.logits_rows.extend(LogitsRow(sequence, drafted=work.draft[:count]) for count in range(num_drafted + 1))
            self.logits_indices.extend(range(stop - 1 - num_drafted, stop))
        self.tokens_per_work.append(len(self.logits_rows) - before)
        self.rows_of_works.append(range(start, start + work.num_tokens))
