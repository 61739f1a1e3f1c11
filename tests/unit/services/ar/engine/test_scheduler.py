"""The scheduler against its promises, alone and under random load."""

import pytest

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Work

END = 99


def sequence(num_prompt_tokens: int, max_tokens: int = 4, **parameters: object) -> Sequence:
    params = SamplingParams(max_tokens=max_tokens, **parameters)
    return Sequence([7] * num_prompt_tokens, params, eos_token_ids=frozenset({END}))


def scheduler(num_blocks: int = 64, max_num_sequences: int = 4, max_batch_tokens: int = 16) -> Scheduler:
    return Scheduler(BlockPool(num_blocks, block_size=4), max_num_sequences, max_batch_tokens)


def step(scheduler: Scheduler, token_id: int = 1) -> list[Work]:
    batch = scheduler.schedule()
    scheduler.commit(batch, [[SampledToken(token_id)] if work.completes else [] for work in batch])
    scheduler.check_integrity()
    return batch


def shape(batch: list[Work]) -> list[int]:
    return [work.num_tokens for work in batch]


def test_a_long_prompt_is_computed_in_chunks():
    engine = scheduler()
    engine.add(sequence(40, max_tokens=2))
    assert [shape(step(engine)) for _ in range(4)] == [[16], [16], [8], [1]]
    assert not engine.has_work


def test_what_waits_too_long_is_taken_out_and_what_has_run_is_not():
    engine = scheduler(max_num_sequences=1)
    has_run, late, in_time = (sequence(1, max_tokens=10) for _ in range(3))
    has_run.latest_start, late.latest_start, in_time.latest_start = 1.0, 1.0, 3.0
    engine.add(has_run)
    step(engine)
    has_run.scheduled_at = 0.5
    engine.add(late)
    engine.add(in_time)
    assert engine.drop_late(2.0) == [late]
    engine.check_integrity()
    assert (engine.num_running, engine.num_waiting) == (1, 1)


def test_prompts_get_few_tokens_a_step_while_others_decode_and_all_of_them_otherwise():
    engine = Scheduler(BlockPool(64, block_size=4), 4, 16, max_mixed_prefill_tokens=5)
    engine.add(sequence(3, max_tokens=3))
    step(engine)
    engine.add(sequence(30, max_tokens=1))
    engine.add(sequence(4, max_tokens=1))
    assert [shape(step(engine)) for _ in range(4)] == [[1, 5], [1, 5], [16], [4, 4]]
    assert not engine.has_work


def test_the_youngest_is_preempted_and_computed_again():
    engine = scheduler(num_blocks=4, max_num_sequences=2)
    old, young = sequence(7, max_tokens=8), sequence(7, max_tokens=8)
    engine.add(old)
    engine.add(young)
    step(engine)
    step(engine)  # both now fill their two blocks
    assert shape(step(engine)) == [1]  # the old one takes the young one's
    assert (engine.num_preemptions, engine.num_waiting, young.num_computed_tokens) == (1, 1, 0)
    while old.num_output_tokens < 8:
        step(engine)
    assert shape(step(engine)) == [len(young.prompt_token_ids) + 2]
    while engine.has_work:
        step(engine)
    assert young.num_output_tokens == 8


@pytest.mark.parametrize(
    ("parameters", "token_id", "num_steps", "reason"),
    [
        ({}, END, 1, FinishReason.STOP),
        ({"ignore_eos": True}, END, 4, FinishReason.LENGTH),
        ({"stop_token_ids": frozenset({5})}, 5, 1, FinishReason.STOP),
        ({}, 5, 4, FinishReason.LENGTH),
    ],
)
def test_why_a_sequence_ends(parameters, token_id, num_steps, reason):
    engine = scheduler()
    engine.add(sequence(3, **parameters))
    for _ in range(num_steps):
        batch = engine.schedule()
        (progress,) = engine.commit(batch, [[SampledToken(token_id)]])
    assert progress.finish_reason is reason
    assert not engine.has_work


def test_a_scored_text_ends_with_its_last_but_one_token():
    engine = scheduler()
    scored = Sequence([1, 2, 3, 4], SamplingParams(), is_scored=True)
    engine.add(scored)
    batch = engine.schedule()
    assert shape(batch) == [3]
    (progress,) = engine.commit(batch, [[SampledToken(t) for t in (2, 3, 4)]])
    assert progress.finish_reason is FinishReason.SCORED
    assert scored.token_ids == [1, 2, 3, 4]


def test_in_exact_mode_prompts_are_cut_at_fixed_places_whatever_the_budget():
    engine = Scheduler(BlockPool(64, block_size=4), 4, 16, chunk_tokens=8)
    engine.add(sequence(20, max_tokens=6))
    engine.add(sequence(11, max_tokens=6))
    assert [shape(step(engine)) for _ in range(3)] == [[8, 8], [8, 3], [1, 4]]


def test_in_exact_mode_a_preempted_output_is_computed_again_token_by_token():
    engine = Scheduler(BlockPool(64, block_size=4), 4, 16, chunk_tokens=8)
    again = sequence(9, max_tokens=6)
    again.token_ids += [1, 1, 1]
    engine.add(again)
    assert [shape(step(engine)) for _ in range(6)] == [[8], [1], [1], [1], [1], [1]]
    assert again.num_output_tokens == 5
