"""Who runs while several callers have work, as the scheduler acts on it."""

from collections import Counter

import pytest

from runtime.rpc.metadata import Owner
from services.ar.engine.fair_share import FEW_ROWS
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Work
from tests.unit.services.ar.engine.test_scheduler import scheduler, step


def add(engine: Scheduler, caller: str, count: int = 1, num_prompt_tokens: int = 1, max_tokens: int = 100) -> Sequence:
    """Add so many sequences of the caller; return the last."""
    for _ in range(count):
        added = Sequence([7] * num_prompt_tokens, SamplingParams(max_tokens=max_tokens), caller=caller)
        engine.add(added)
    return added


def callers(batch: list[Work]) -> str:
    return "".join(sorted(work.sequence.caller for work in batch))


def test_a_caller_that_came_first_with_many_leaves_the_others_their_share():
    engine = scheduler(max_num_sequences=4, max_batch_tokens=16)
    add(engine, "hog", 50)
    assert callers(step(engine)) == "hog" * 4
    add(engine, "a")
    add(engine, "b")
    assert callers(step(engine)) == "abhoghog"
    assert engine.num_preemptions == 2
    for _ in range(20):
        assert callers(step(engine)) == "abhoghog"
    assert engine.num_preemptions == 2  # who had to leave is not sent to and fro


def test_blocks_too_are_given_back_by_who_runs_more_than_its_share():
    engine = scheduler(num_blocks=9, max_num_sequences=4, max_batch_tokens=64)
    add(engine, "hog", 3, 10, max_tokens=9)
    assert callers(step(engine)) == "hoghoghog"  # which takes all blocks
    add(engine, "a", 1, 10, max_tokens=2)
    assert callers(step(engine)) == "ahoghog"


def test_few_sequences_that_hold_all_blocks_give_some_back():
    engine = scheduler(num_blocks=9, max_num_sequences=16, max_batch_tokens=64)
    add(engine, "hog", 3, 10, max_tokens=9)  # far below its share of the places
    assert callers(step(engine)) == "hoghoghog"
    add(engine, "a", 3, 10, max_tokens=2)
    assert callers(step(engine)) == "ahoghog"
    assert engine.num_preemptions == 1


def test_what_others_leave_of_their_share_is_anybody_s():
    engine = scheduler(max_num_sequences=4)
    add(engine, "hog", 4)
    add(engine, "a")
    assert callers(step(engine)) == "ahoghoghog"
    assert engine.num_preemptions == 0


def test_a_caller_s_connections_share_its_places():
    engine = scheduler(num_blocks=200, max_num_sequences=4, max_batch_tokens=64)
    add(engine, Owner("a", "a:1"), 6, 4, max_tokens=50)
    assert len(step(engine)) == 4
    add(engine, Owner("a", "a:2"), 1, 4, max_tokens=2)
    assert [work.sequence.caller.connection for work in step(engine)].count("a:2") == 1
    assert engine.num_preemptions == 1
    step(engine)
    assert [work.sequence.caller.connection for work in step(engine)] == ["a:1"] * 4


@pytest.mark.parametrize("num_blocks", [200, 40])
def test_with_equal_demand_callers_run_equally_much_and_nobody_is_sent_to_and_fro(num_blocks):
    engine = scheduler(num_blocks=num_blocks, max_num_sequences=8, max_batch_tokens=64)
    served = {"a": 0, "b": 0}
    for number in range(40):
        add(engine, "a" if number < 20 else "b", max_tokens=3 + number % 5)
    for _ in range(30):
        for work in step(engine):
            served[work.sequence.caller] += 1
    assert abs(served["a"] - served["b"]) <= 20
    assert engine.num_preemptions <= 4


def test_beside_others_a_caller_has_few_sequences_in_a_step_and_they_take_turns():
    engine = scheduler(num_blocks=500, max_num_sequences=64, max_batch_tokens=64)
    add(engine, "hog", 200, max_tokens=1000)
    assert callers(step(engine)) == "hog" * 64
    for number in range(10):
        add(engine, f"light {number}", max_tokens=40)
    steps = [step(engine) for _ in range(40)]
    assert all(sum(work.sequence.caller == "hog" for work in batch) == FEW_ROWS for batch in steps)
    assert all(len(batch) == FEW_ROWS + 10 for batch in steps)
    assert engine.num_preemptions == 10
    counts = Counter(id(work.sequence) for batch in steps for work in batch if work.sequence.caller == "hog")
    assert len(counts) == 54
    assert max(counts.values()) - min(counts.values()) <= 2
    assert len(step(engine)) >= 54, "the others have left, and all of the hog's run again"


def test_a_prompt_of_a_caller_that_runs_little_is_not_held_up_by_many_prompts_of_another():
    engine = scheduler(num_blocks=500, max_num_sequences=8, max_batch_tokens=16)
    add(engine, "hog", 8, 200, max_tokens=2)
    for _ in range(3):
        step(engine)
    light = add(engine, "light", 1, 10, max_tokens=2)
    for _ in range(3):
        step(engine)
    assert light.num_output_tokens > 0
