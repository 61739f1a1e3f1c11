"""Drafts from MASK rows: what is proposed, and that generation with them is generation without, in fewer steps."""

import random

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.drafting import MaskedDrafter
from services.ar.engine.groups import TokenGroups
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Work, keep_predicted
from tests.unit.services.ar.engine.rig import BLOCK_SIZE, StepEngine

MASK = 99


def masked_sequence(max_tokens: int = 20, seed: int = 0, **fields: object) -> Sequence:
    return Sequence([50], SamplingParams(seed=seed, max_tokens=max_tokens), mask_token_id=MASK, **fields)


def image_token(sequence: Sequence, history: tuple[int, ...]) -> int:
    return random.Random(repr((sequence.params.seed, history))).randrange(4)


def predicted_token(sequence: Sequence, place: int) -> int:
    """Return what a MASK row predicts: right more often than not."""
    truth = list(sequence.prompt_token_ids)
    while len(truth) <= place:
        truth.append(image_token(sequence, tuple(truth)))
    return (truth[place] + (place % 3 == 0)) % 4


def run_masked(drafter: MaskedDrafter | None, *sequences: Sequence, num_blocks: int = 32):
    """Return the outputs, and of each work the tokens given, drafted and masked."""
    engine, shapes = StepEngine(image_token, num_blocks, drafter=drafter, predict=predicted_token), []
    for sequence in sequences:
        engine.scheduler.add(sequence)
    while engine.scheduler.has_work:
        shapes += [(work.num_given, len(work.draft), work.num_masked) for work in engine.step()]
    assert engine.pool.num_taken == 0
    return [sequence.output_token_ids for sequence in sequences], shapes


def test_with_mask_rows_a_sequence_alone_takes_fewer_steps_and_brings_the_same_tokens():
    drafter = MaskedDrafter(3, 8)
    (found, shapes), (expected, steps) = run_masked(drafter, masked_sequence(40)), run_masked(None, masked_sequence(40))
    assert found == expected
    assert len(steps) == 40
    assert len(shapes) < 25
    assert 0 < drafter.num_accepted_tokens < drafter.num_drafted_tokens
    # Where blocks are too few for MASK rows, it goes on without.
    found, shapes = run_masked(MaskedDrafter(3, 8), masked_sequence(7), num_blocks=2)
    assert found == run_masked(None, masked_sequence(7))[0]
    assert (1, 0, 0) in shapes


def test_the_places_of_mask_rows_are_free_again_after_their_step():
    drafter, pool = MaskedDrafter(3, 8), BlockPool(32, BLOCK_SIZE)
    scheduler = Scheduler(pool, 4, 64, drafter=drafter)
    drafting = masked_sequence()
    scheduler.add(drafting)
    (work,) = batch = scheduler.schedule()
    assert (work.num_tokens, pool.num_taken) == (5, 2)
    scheduler.commit(batch, [keep_predicted(work, [SampledToken(token_id) for token_id in (1, 2, 3, 4)])])
    assert pool.num_taken == 1
    assert drafting.output_token_ids == [1]
    (work,) = scheduler.schedule()
    assert (work.draft, work.num_masked) == ((2, 3, 4), 4)


def test_who_drafts_nothing_with_mask_rows():
    """Several where rows are few, tokens in groups, and sequences without a MASK token."""
    drafter = MaskedDrafter(3, 8)
    _, shapes = run_masked(drafter, masked_sequence(10), masked_sequence(10, 1))
    assert shapes == [(1, 0, 0)] * 20
    grouped = masked_sequence(6, groups=TokenGroups.of(1, (3, 6)))
    _, shapes = run_masked(drafter, grouped)
    assert grouped.num_output_tokens == 6
    work = Work(Sequence([50], SamplingParams(max_tokens=20)), 1)
    assert drafter.add_draft(work, 8) == work
    assert drafter.num_drafted_tokens == drafter.num_accepted_tokens == 0
