"""Drafts of MASK rows: which rows a step takes along, and that what it generates does not depend on them."""

import random

import pytest

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.drafting.masked_draft import MaskedDraft, MaskedDrafter
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, Sequence
from services.ar.engine.step import Work
from services.ar.engine.token_groups import TokenGroups

BLOCK_SIZE = 4
MASK = 99


def new_sequence(max_tokens: int = 20, seed: int = 0, **fields: object) -> Sequence:
    return Sequence([50], SamplingParams(seed=seed, max_tokens=max_tokens), mask_token_id=MASK, **fields)


def test_predictions_are_proposed_up_to_the_first_gap_and_newer_ones_replace_older_ones():
    draft = MaskedDraft()
    assert draft.propose(3, 8) == []
    draft.learn(3, [10, 11, 12])
    draft.learn(8, [14])
    assert draft.propose(3, 8) == [10, 11, 12]
    assert draft.propose(3, 2) == [10, 11]
    assert draft.propose(4, 8) == [11, 12]
    draft.learn(5, [22, 23, 24])
    assert draft.propose(4, 8) == [11, 22, 23, 24, 14]
    assert draft.propose(9, 8) == []


def model_token(history: tuple[int, ...]) -> int:
    return random.Random(repr(history)).randrange(4)


def predicted_token(history: tuple[int, ...], place: int) -> int:
    """Return what a MASK row predicts: right more often than not."""
    return random.Random(repr((history, place))).randrange(4) if place % 3 == 0 else model_token(history[:place])


class Machine:
    """A scheduler and a model that is a function of the whole history, which MASK rows know but now and then."""

    def __init__(self, drafter: MaskedDrafter | None, num_blocks: int = 32) -> None:
        self.pool = BlockPool(num_blocks, BLOCK_SIZE)
        self.scheduler = Scheduler(self.pool, 4, 64, drafter=drafter)
        self.shapes: list[tuple[int, int, int]] = []
        self._truth: dict[int, list[int]] = {}

    def run(self, *sequences: Sequence) -> list[list[int]]:
        for sequence in sequences:
            self.scheduler.add(sequence)
            truth = list(sequence.token_ids)
            while len(truth) <= sequence.num_prompt_tokens + sequence.params.max_tokens:
                truth.append(model_token(tuple(truth)))
            self._truth[id(sequence)] = truth
        while self.scheduler.has_work:
            batch = self.scheduler.schedule()
            self.shapes += [(work.num_given, len(work.draft), work.num_masked) for work in batch]
            self.scheduler.commit(batch, [self._sampled(work) for work in batch])
            self.scheduler.check_integrity()
        assert self.pool.num_taken == 0
        return [sequence.output_token_ids for sequence in sequences]

    def _sampled(self, work: Work) -> list[SampledToken]:
        layout = Layout([work], BLOCK_SIZE)
        truth = tuple(self._truth[id(work.sequence)])
        tokens = []
        for index, row in zip(layout.logits_indices, layout.logits_rows, strict=True):
            place = work.sequence.num_prompt_tokens + row.position
            if layout.token_ids[index] == MASK:
                assert layout.positions[index] == place  # a MASK row stands where its token goes
                tokens.append(predicted_token(truth, place))
            else:
                assert layout.positions[index] == place - 1
                tokens.append(model_token((*work.sequence.token_ids, *row.drafted)))
        return [SampledToken(token_id) for token_id in tokens]


def test_a_sequence_alone_takes_fewer_steps_and_brings_the_same_tokens():
    drafter = MaskedDrafter(3, 8)
    with_drafts, without = Machine(drafter), Machine(None)
    assert with_drafts.run(new_sequence(40)) == without.run(new_sequence(40))
    assert len(without.shapes) == 40
    assert len(with_drafts.shapes) < 25
    assert 0 < drafter.num_accepted_tokens < drafter.num_drafted_tokens


def test_a_step_has_no_more_rows_than_tokens_are_left():
    machine = Machine(MaskedDrafter(3, 8))
    machine.run(new_sequence(6))
    assert machine.shapes[0] == (1, 0, 4)  # nothing is predicted yet
    left = 6
    for given, drafted, masked in machine.shapes:
        assert (given, masked != 1) == (1, True)
        assert drafted + masked <= left
        left -= 1


def test_the_places_of_mask_rows_are_free_again_after_their_step():
    drafter, pool = MaskedDrafter(3, 8), BlockPool(32, BLOCK_SIZE)
    scheduler = Scheduler(pool, 4, 64, drafter=drafter)
    drafting = new_sequence()
    scheduler.add(drafting)
    (work,) = batch = scheduler.schedule()
    assert (work.num_tokens, pool.num_taken) == (5, 2)
    scheduler.commit(batch, [[SampledToken(1), SampledToken(2), SampledToken(3), SampledToken(4)]])
    assert pool.num_taken == 1
    assert drafting.output_token_ids == [1]
    (work,) = scheduler.schedule()
    assert (work.draft, work.num_masked) == ((2, 3, 4), 4)


@pytest.mark.parametrize("num_sequences", [2, 3])
def test_several_sequences_draft_nothing_where_rows_are_few(num_sequences):
    drafter = MaskedDrafter(3, 8)
    machine = Machine(drafter)
    machine.run(*(new_sequence(10, seed) for seed in range(num_sequences)))
    assert drafter.num_drafted_tokens == 0
    assert machine.shapes == [(1, 0, 0)] * 10 * num_sequences


def test_without_blocks_for_mask_rows_a_sequence_goes_on_without():
    drafter = MaskedDrafter(3, 8)
    machine = Machine(drafter, num_blocks=2)
    assert machine.run(new_sequence(7)) == Machine(None).run(new_sequence(7))
    assert (1, 0, 0) in machine.shapes


def test_tokens_that_are_generated_in_groups_have_no_drafts():
    drafter = MaskedDrafter(3, 8)
    grouped = new_sequence(6, groups=TokenGroups.of(1, (3, 6)))
    scheduler = Scheduler(BlockPool(8, BLOCK_SIZE), 4, 64, drafter=drafter)
    scheduler.add(grouped)
    while scheduler.has_work:
        batch = scheduler.schedule()
        assert all(not work.draft for work in batch)
        scheduler.commit(batch, [[SampledToken(0)] * work.num_masked for work in batch])
    assert drafter.num_accepted_tokens == 0
    assert grouped.num_output_tokens == 6


def test_a_sequence_without_a_mask_token_has_no_drafts():
    drafter = MaskedDrafter(3, 8)
    work = Work(Sequence([50], SamplingParams(max_tokens=20)), 1)
    assert drafter.drafted(work, 8) == work
