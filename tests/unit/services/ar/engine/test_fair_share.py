"""Who runs while several callers have work, as the scheduler acts on it."""

from collections import Counter

import pytest

from runtime.rpc.metadata import Owner
from services.ar.engine.fair_share import FEW_ROWS
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Work
from tests.unit.services.ar.engine.test_scheduler import scheduler, step


def of_caller(caller: str, max_tokens: int = 100) -> Sequence:
    return Sequence([7], SamplingParams(max_tokens=max_tokens), caller=caller)


def callers(batch: list[Work]) -> str:
    return "".join(sorted(work.sequence.caller for work in batch))


def test_a_caller_that_came_first_with_many_leaves_the_others_their_share():
    engine = scheduler(max_num_sequences=4, max_batch_tokens=16)
    for _ in range(50):
        engine.add(of_caller("hog"))
    assert callers(step(engine)) == "hog" * 4
    for name in "ab":
        engine.add(of_caller(name))
    assert callers(step(engine)) == "abhoghog"
    assert engine.num_preemptions == 2
    for _ in range(20):
        assert callers(step(engine)) == "abhoghog"
    assert engine.num_preemptions == 2  # who had to leave is not sent to and fro


def test_blocks_too_are_given_back_by_who_runs_more_than_its_share():
    engine = scheduler(num_blocks=9, max_num_sequences=4, max_batch_tokens=64)
    for _ in range(3):
        engine.add(Sequence([7] * 10, SamplingParams(max_tokens=9), caller="hog"))
    assert callers(step(engine)) == "hoghoghog"  # which takes all blocks
    engine.add(Sequence([7] * 10, SamplingParams(max_tokens=2), caller="a"))
    assert callers(step(engine)) == "ahoghog"


def test_few_sequences_that_hold_all_blocks_give_some_back():
    engine = scheduler(num_blocks=9, max_num_sequences=16, max_batch_tokens=64)
    for _ in range(3):  # far below its share of the places
        engine.add(Sequence([7] * 10, SamplingParams(max_tokens=9), caller="hog"))
    assert callers(step(engine)) == "hoghoghog"
    for _ in range(3):
        engine.add(Sequence([7] * 10, SamplingParams(max_tokens=2), caller="a"))
    assert callers(step(engine)) == "ahoghog"
    assert engine.num_preemptions == 1


def test_what_others_leave_of_their_share_is_anybody_s():
    engine = scheduler(max_num_sequences=4)
    for caller in ("hog", "hog", "hog", "hog", "a"):
        engine.add(of_caller(caller))
    assert callers(step(engine)) == "ahoghoghog"
    assert engine.num_preemptions == 0


def test_a_caller_s_connections_share_its_places():
    engine = scheduler(num_blocks=200, max_num_sequences=4, max_batch_tokens=64)
    for _ in range(6):
        engine.add(Sequence([7] * 4, SamplingParams(max_tokens=50), caller=Owner("a", "a:1")))
    assert len(step(engine)) == 4
    engine.add(Sequence([7] * 4, SamplingParams(max_tokens=2), caller=Owner("a", "a:2")))
    assert [work.sequence.caller.connection for work in step(engine)].count("a:2") == 1
    assert engine.num_preemptions == 1
    step(engine)
    assert [work.sequence.caller.connection for work in step(engine)] == ["a:1"] * 4


@pytest.mark.parametrize("num_blocks", [200, 40])
def test_with_equal_demand_callers_run_equally_much_and_nobody_is_sent_to_and_fro(num_blocks):
    engine = scheduler(num_blocks=num_blocks, max_num_sequences=8, max_batch_tokens=64)
    served = {"a": 0, "b": 0}
    for number in range(40):
        engine.add(of_caller("a" if number < 20 else "b", max_tokens=3 + number % 5))
    for _ in range(30):
        for work in step(engine):
            served[work.sequence.caller] += 1
    assert abs(served["a"] - served["b"]) <= 20
    assert engine.num_preemptions <= 4


def test_beside_others_a_caller_has_few_sequences_in_a_step_and_they_take_turns():
    engine = scheduler(num_blocks=500, max_num_sequences=64, max_batch_tokens=64)
    for _ in range(200):
        engine.add(of_caller("hog", max_tokens=1000))
    assert callers(step(engine)) == "hog" * 64
    for number in range(10):
        engine.add(of_caller(f"light {number}", max_tokens=40))
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
    for _ in range(8):
        engine.add(Sequence([7] * 200, SamplingParams(max_tokens=2), caller="hog"))
    for _ in range(3):
        step(engine)
    light = Sequence([7] * 10, SamplingParams(max_tokens=2), caller="light")
    engine.add(light)
    for _ in range(3):
        step(engine)
    assert light.num_output_tokens > 0
