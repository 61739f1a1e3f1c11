"""What a step brings to a sequence: each score once, however often it is computed, and nothing behind an end."""

import pytest

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import FinishReason, SampledToken, Sequence
from services.ar.engine.step import Work, accepted, finish_reason
from services.ar.engine.token_groups import TokenGroups

BLOCK_SIZE = 4
MASK = 99


def committed(scheduler: Scheduler) -> dict[Sequence, list[int]]:
    """Run a step that samples 7 wherever nothing is forced, and return the tokens that it brings."""
    batch = scheduler.schedule()
    rows = iter(Layout(batch, BLOCK_SIZE).logits_rows)
    found = [[next(rows) for _ in range(count)] for count in Layout(batch, BLOCK_SIZE).tokens_per_work]
    results = [[SampledToken(7 if row.forced is None else row.forced) for row in each] for each in found]
    progress = scheduler.commit(batch, results)
    scheduler.check_integrity()
    return {each.sequence: [token.token_id for token in each.tokens] for each in progress}


@pytest.mark.parametrize("chunk_tokens", [None, 4])
@pytest.mark.parametrize("ends", [None, (3, 6, 9, 12, 15)])
def test_a_scored_text_that_is_preempted_brings_each_of_its_scores_once(chunk_tokens, ends):
    scheduler = Scheduler(BlockPool(6, BLOCK_SIZE), 4, 8, chunk_tokens, max_mixed_prefill_tokens=6)
    groups = None if ends is None else TokenGroups.of(1, ends)
    scored = Sequence(list(range(16)), SamplingParams(), is_scored=True, mask_token_id=MASK, groups=groups)
    older = Sequence([50] * 7, SamplingParams(max_tokens=9))
    scheduler.add(older)
    committed(scheduler)
    scheduler.add(scored)
    brought = []
    for _ in range(100):
        brought += committed(scheduler).get(scored, [])
    assert not scheduler.has_work
    assert scheduler.num_preemptions > 0
    assert brought == list(range(1, 16))
    assert older.output_token_ids == [7] * 9


@pytest.mark.parametrize(
    ("draft", "brought"), [((1, 2, 3), [1, 2]), ((2, 5), [1]), ((1, 5), [1, 2]), ((1, 2), [1, 2]), ((), [1])]
)
def test_of_a_draft_that_holds_nothing_behind_an_end_is_accepted(draft, brought):
    params = SamplingParams(max_tokens=9, stop_token_ids=frozenset({2}))
    work = Work(Sequence([50], params, mask_token_id=MASK), 1 + len(draft), draft)
    accepted_tokens = accepted(work, [SampledToken(token_id) for token_id in (1, 2, 3, 4)[: 1 + len(draft)]])
    assert [token.token_id for token in accepted_tokens] == brought
    work.sequence.extend(accepted_tokens)
    assert finish_reason(work.sequence, accepted_tokens) is (FinishReason.STOP if 2 in brought else None)
