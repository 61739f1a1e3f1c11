"""What stands where in a step, what it brings to a sequence, and which of a batch's works is at fault."""

import random

import pytest

from services.ar.engine.groups import TokenGroups
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Layout, LogitsRow, Work, accept_tokens, finish_reason, run_isolated
from tests.unit.services.ar.engine.rig import StepEngine

MASK = 99


@pytest.mark.parametrize("chunk_tokens", [None, 4])
@pytest.mark.parametrize("ends", [None, (3, 6, 9, 12, 15)])
def test_a_scored_text_that_is_preempted_brings_each_of_its_scores_once(chunk_tokens, ends):
    engine = StepEngine(num_blocks=6, max_batch_tokens=8, chunk_tokens=chunk_tokens)
    groups = None if ends is None else TokenGroups.of(1, ends)
    scored = Sequence(list(range(16)), SamplingParams(), is_scored=True, mask_token_id=MASK, groups=groups)
    older = Sequence([50] * 7, SamplingParams(max_tokens=9))
    engine.scheduler.add(older)
    engine.step()
    engine.run(scored)
    assert engine.scheduler.num_preemptions > 0
    assert engine.brought == {older: [1] * 9, scored: list(range(1, 16))}


@pytest.mark.parametrize(
    ("draft", "brought"), [((1, 2, 3), [1, 2]), ((2, 5), [1]), ((1, 5), [1, 2]), ((1, 2), [1, 2]), ((), [1])]
)
def test_of_a_draft_that_holds_nothing_behind_an_end_is_accepted(draft, brought):
    params = SamplingParams(max_tokens=9, stop_token_ids=frozenset({2}))
    work = Work(Sequence([50], params, mask_token_id=MASK), 1 + len(draft), draft)
    accepted_tokens = accept_tokens(work, [SampledToken(token_id) for token_id in (1, 2, 3, 4)[: 1 + len(draft)]])
    assert [token.token_id for token in accepted_tokens] == brought
    work.sequence.extend(accepted_tokens)
    assert finish_reason(work.sequence, accepted_tokens) is (FinishReason.STOP if 2 in brought else None)


def sequence(token_ids: list[int], num_computed_tokens: int, blocks: list[int], is_scored: bool = False) -> Sequence:
    made = Sequence(token_ids, SamplingParams(), is_scored=is_scored)
    made.num_computed_tokens = num_computed_tokens
    made.block_table = blocks
    return made


def test_a_decode_a_draft_a_piece_of_a_prompt_its_end_and_a_scored_text():
    decode, drafting = sequence([1, 2, 3], 2, [5]), sequence([4, 5, 6], 2, [3, 1])
    piece, end = sequence([7, 8, 9, 10], 0, [0]), sequence([11, 12, 13], 1, [2])
    scored = sequence([14, 15, 16], 0, [4], is_scored=True)
    works = [Work(decode, 1), Work(drafting, 4, draft=(20, 21, 22)), Work(piece, 2), Work(end, 2), Work(scored, 2)]
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


class Steps:
    """Answers each work with its first prompt token; raises if one of the `guilty` is in the batch."""

    def __init__(self, guilty: set[int]) -> None:
        self.guilty = guilty
        self.num_runs = 0

    def __call__(self, batch: list[Work]) -> list[list[SampledToken]]:
        self.num_runs += 1
        firsts = [work.sequence.token_ids[0] for work in batch]
        if self.guilty.intersection(firsts):
            raise ZeroDivisionError
        return [[SampledToken(first)] for first in firsts]


def new_works(count: int) -> list[Work]:
    return [Work(Sequence([number], SamplingParams()), 1) for number in range(count)]


def test_just_the_guilty_have_no_tokens():
    chance = random.Random(3)
    for _ in range(100):
        count = chance.randint(1, 40)
        guilty = set(chance.sample(range(count), chance.randint(1, min(count, 5))))
        results = run_isolated(Steps(guilty), new_works(count))
        assert {place for place, result in enumerate(results) if isinstance(result, ZeroDivisionError)} == guilty
        assert all(results[place] == [SampledToken(place)] for place in range(count) if place not in guilty)


def test_one_guilty_among_many_is_found_in_few_runs():
    steps = Steps({37})
    run_isolated(steps, new_works(64))
    assert steps.num_runs <= 1 + 2 * 6


@pytest.mark.parametrize("num_context", [1, 5, 15])
@pytest.mark.parametrize("chunk_tokens", [None, 4])
def test_a_context_is_not_scored(num_context, chunk_tokens):
    engine = StepEngine(max_batch_tokens=8, chunk_tokens=chunk_tokens)
    scored = Sequence(list(range(16)), SamplingParams(), is_scored=True, num_context_tokens=num_context)
    engine.run(scored)
    assert engine.brought == {scored: list(range(num_context, 16))}


def test_an_end_token_ends_nothing_where_others_may_stand_before_it():
    params = SamplingParams(max_tokens=4, stop_token_ids=frozenset({2}), min_tokens=2)
    placed = Sequence([50], params, mask_token_id=MASK, groups=TokenGroups.of(1, (2, 4), (0, 2, 1, 3)))
    work = Work(placed, 3, num_masked=2)
    tokens = [SampledToken(2), SampledToken(2)]
    assert accept_tokens(work, tokens) == tokens
    assert finish_reason(placed, tokens) is None
    assert [LogitsRow(placed, num_masked_before=number).may_end for number in range(4)] == [False, True, False, True]
    assert Layout([Work(laid_out(placed), 3, num_masked=2)], 4).text_positions == [0, 1, 3]


def laid_out(sequence: Sequence) -> Sequence:
    sequence.block_table = [0]
    return sequence
