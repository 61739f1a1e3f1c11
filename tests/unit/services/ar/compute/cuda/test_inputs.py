"""What stands on the device after a step was filled in: rows, padding and tables, whatever stood there before."""

import torch

from services.ar.compute.cuda.inputs import StepInputs
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work

BLOCK_SIZE = 4
SCRATCH = 9


def new_inputs() -> StepInputs:
    return StepInputs(8, 3, SCRATCH, BLOCK_SIZE, torch.device("cpu"))


def decoding(block_table: list[int], num_tokens: int) -> Work:
    """Return the last of a sequence's tokens, 100 and on, as work."""
    sequence = Sequence(list(range(100, 100 + num_tokens)), SamplingParams())
    sequence.block_table.extend(block_table)
    sequence.num_computed_tokens = num_tokens - 1
    return Work(sequence, 1)


def fill(inputs: StepInputs, works: list[Work], num_rows: int):
    inputs.fill(Layout(works, BLOCK_SIZE), [work.sequence.block_table for work in works], num_rows)
    return inputs.rows(torch.ones(num_rows, dtype=torch.uint8), num_rows)


def test_rows_and_padding():
    rows = fill(new_inputs(), [decoding([7, 2], 6), decoding([5], 1)], 4)
    assert rows.token_ids.tolist() == [105, 100, 0, 0]
    assert rows.positions.tolist() == [5, 0, 0, 0]
    assert rows.slots.tolist() == [2 * BLOCK_SIZE + 1, 5 * BLOCK_SIZE, SCRATCH * BLOCK_SIZE, SCRATCH * BLOCK_SIZE]
    assert rows.tables[0, :2].tolist() == [7, 2]
    assert rows.tables[1:4, 0].tolist() == [5, SCRATCH, SCRATCH]


def test_a_table_is_new_where_its_content_is_though_sequence_and_length_are_the_same():
    """As after a preemption: given back, and taken again with other blocks."""
    inputs, work = new_inputs(), decoding([7, 2], 6)
    fill(inputs, [work], 1)
    work.sequence.block_table[:] = [3, 8]
    assert fill(inputs, [work], 1).tables[0, :2].tolist() == [3, 8]
    work.sequence.block_table.append(1)
    assert fill(inputs, [work], 1).tables[0].tolist() == [3, 8, 1]


def test_padding_replaces_a_sequence_that_is_gone_and_makes_room_again():
    inputs, works = new_inputs(), [decoding([7], 2), decoding([5], 2)]
    fill(inputs, works, 2)
    rows = fill(inputs, works[:1], 2)
    assert rows.tables[:2, 0].tolist() == [7, SCRATCH]
    assert rows.slots.tolist() == [7 * BLOCK_SIZE + 1, SCRATCH * BLOCK_SIZE]
    assert fill(inputs, works, 2).tables[:2, 0].tolist() == [7, 5]


def test_what_a_graph_reads_stays_where_it_is():
    inputs = new_inputs()
    before = fill(inputs, [decoding([7], 2)], 1)
    after = fill(inputs, [decoding([5], 3)], 1)
    assert before.slots.data_ptr() == after.slots.data_ptr()
    assert before.slots.tolist() == [5 * BLOCK_SIZE + 2]
    assert before.tables.data_ptr() == after.tables.data_ptr()
