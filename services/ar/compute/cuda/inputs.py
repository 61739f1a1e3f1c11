"""What a step computes, in numbers on the device, at the same place in every step: a captured step looks there.

Filled on the host in pinned memory and copied to the device in two asynchronous copies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from services.ar.engine.step import Layout


@dataclass(frozen=True)
class StepRows:
    """Where the rows of a step stand: first single ones, each with a table of its own, then those of chunks, in tiles.

    A row sees the tokens of its sequence up to its own, those included whose keys this very step writes.
    """

    token_ids: Tensor  # [T]
    positions: Tensor  # [T], in the sequence
    slots: Tensor  # [T], where key and value go: block * block_size + offset
    tables: Tensor  # [tables, max_blocks] int32
    is_finite: Tensor  # [T] uint8, set to 0 by attention where a query, key or value is not finite
    num_singles: int
    text_positions: Tensor  # [T], in the text
    tiles: Tensor | None = None  # [tiles, 3] int32: first row, number of rows, table


class StepInputs:
    """Room for steps of up to `max_tokens` rows, of sequences of up to `max_blocks` blocks.

    Rows that only fill a step up write to the first slot of `scratch_block`, and see that.
    """

    def __init__(
        self, max_tokens: int, max_blocks: int, scratch_block: int, block_size: int, device: torch.device
    ) -> None:
        is_cuda = device.type == "cuda"
        # Token id, position, slot and position in the text of each row; the tables of single rows in their order, then
        # those of the chunks.
        self._host_tokens = torch.zeros((max_tokens, 4), dtype=torch.int64, pin_memory=is_cuda)
        self._host_tables = torch.zeros((max_tokens, max_blocks), dtype=torch.int32, pin_memory=is_cuda)
        self._tokens = torch.zeros((max_tokens, 4), dtype=torch.int64, device=device)
        self._tables = torch.zeros((max_tokens, max_blocks), dtype=torch.int32, device=device)
        self._written: list[list[int]] = [[] for _ in range(max_tokens)]  # the tables on the host
        self._padding = (0, 0, scratch_block * block_size, 0)
        self._scratch_table = [scratch_block]
        self._copied = torch.cuda.Event() if is_cuda else None

    def rows(self, is_finite: Tensor, num_singles: int, tiles: Tensor | None = None) -> StepRows:
        """Return where the first rows, one for each flag, stand, whatever is there when they are looked at."""
        num_rows = len(is_finite)
        token_ids, positions, slots, in_text = self._tokens[:num_rows].unbind(1)
        return StepRows(token_ids, positions, slots, self._tables, is_finite, num_singles, in_text, tiles)

    def fill(self, layout: Layout, block_tables: list[list[int]], num_rows: int) -> None:
        """Bring a step over; rows behind the layout's own, up to `num_rows`, are padding."""
        if self._copied is not None:
            self._copied.synchronize()  # the last step's numbers have left the host
        count = len(layout.token_ids)
        tokens = self._host_tokens.numpy()
        columns = (layout.token_ids, layout.positions, layout.slots, layout.text_positions)
        for place, column in enumerate(columns):
            tokens[:count, place] = column
        tokens[count:num_rows] = self._padding
        tables = block_tables + [self._scratch_table] * (num_rows - count)
        self._write(tables)
        self._tokens[:num_rows].copy_(self._host_tokens[:num_rows], non_blocking=True)
        self._tables[: len(tables)].copy_(self._host_tables[: len(tables)], non_blocking=True)
        if self._copied is not None:
            self._copied.record()

    def _write(self, tables: list[list[int]]) -> None:
        """Write the tables that are not there yet; most are the last step's, and comparing is quicker than writing."""
        host = self._host_tables.numpy()
        for row, table in enumerate(tables):
            if self._written[row] != table:
                host[row, : len(table)] = table
                self._written[row] = table.copy()
