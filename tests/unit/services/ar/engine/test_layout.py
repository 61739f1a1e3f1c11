"""What stands where in a step: tokens, places, slots, and the rows that are sampled from."""

import pytest

from services.ar.engine.layout import Layout, LogitsRow
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work


def sequence(token_ids: list[int], num_computed_tokens: int, blocks: list[int], is_scored: bool = False) -> Sequence:
    made = Sequence(token_ids, SamplingParams(), is_scored=is_scored)
    made.num_computed_tokens = num_computed_tokens
    made.block_table = blocks
    return made


def test_a_decode_a_draft_a_piece_of_a_prompt_its_end_and_a_scored_text():
    decode, drafting = sequence([1, 2, 3], 2, [5]), sequence([4, 5, 6], 2, [3, 1])
    piece, end = sequence([7, 8, 9, 10], 0, [0]), sequence([11, 12, 13], 1, [2])
    scored = sequence([14, 15, 16], 0, [4], is_scored=True)
    works = [
        Work(decode, 1),
        Work(drafting, 4, draft=(20, 21, 22)),
        Work(piece, 2),
        Work(end, 2),
        Work(scored, 2),
    ]
    layout = Layout(works, block_size=4)
    assert layout.token_ids == [3, 6, 20, 21, 22, 7, 8, 12, 13, 14, 15]
    assert layout.positions == [2, 2, 3, 4, 5, 0, 1, 1, 2, 0, 1]
    assert layout.slots == [22, 14, 15, 4, 5, 0, 1, 9, 10, 16, 17]
    assert layout.decodes == works[:1]
    assert layout.chunks == [(works[1], 1), (works[2], 5), (works[3], 7), (works[4], 9)]
    assert layout.logits_indices == [0, 1, 2, 3, 4, 8, 9, 10]
    assert layout.logits_rows == [
        LogitsRow(decode),
        LogitsRow(drafting),
        LogitsRow(drafting, drafted=(20,)),
        LogitsRow(drafting, drafted=(20, 21)),
        LogitsRow(drafting, drafted=(20, 21, 22)),
        LogitsRow(end),
        LogitsRow(scored, forced=15),
        LogitsRow(scored, forced=16),
    ]
    assert layout.tokens_per_work == [1, 4, 0, 1, 2]


def test_a_sequence_with_too_few_blocks_is_refused():
    short = sequence([1, 2, 3, 4, 5], 4, [0])
    with pytest.raises(IndexError, match="1 blocks for 5 tokens"):
        Layout([Work(short, 1)], block_size=4)
