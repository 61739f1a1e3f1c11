import random
from collections import deque

import pytest

from services.ar.fair_queue import FairQueue
from services.ar.sampling_params import SamplingParams
from services.ar.sequence import Sequence


def of(caller: str) -> Sequence:
    return Sequence([1], SamplingParams(), caller=caller)


def filled(callers: str) -> FairQueue:
    queue = FairQueue()
    for caller in callers:
        queue.add(of(caller))
    return queue


def order(queue: FairQueue) -> str:
    return "".join(queue.pop().caller for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("arrived", "served"),
    [("", ""), ("aaa", "aaa"), ("aaaab", "abaaa"), ("aaaabbc", "abcabaa"), ("abababcc", "abcabcab")],
)
def test_callers_take_turns(arrived, served):
    assert order(filled(arrived)) == served


def test_within_a_caller_the_first_comes_first():
    queue, sequences = FairQueue(), [of("a") for _ in range(5)]
    for sequence in sequences:
        queue.add(sequence)
    assert [queue.pop() for _ in range(5)] == sequences


def test_who_comes_back_after_its_queue_was_empty_waits_for_its_turn():
    queue = filled("ab")
    assert queue.pop().caller == "a"
    queue.add(of("a"))
    assert order(queue) == "ba"


def test_what_was_preempted_comes_before_all_others_and_costs_no_turn():
    queue, preempted = filled("aab"), of("b")
    queue.add_preempted(preempted)
    assert queue.first is preempted
    assert queue.callers == {"a", "b"}
    assert queue.pop() is preempted
    assert order(queue) == "aba"


def test_at_random_it_is_what_turns_by_hand_are():
    chance = random.Random(5)
    for _ in range(200):
        queue, model, returned = FairQueue(), {}, deque()
        for _ in range(60):
            match chance.choice(["add", "add", "pop", "remove", "preempted"]):
                case "add":
                    sequence = of(chance.choice("abcd"))
                    ahead = queue.num_ahead_of(sequence.caller)
                    queue.add(sequence)
                    model.setdefault(sequence.caller, []).append(sequence)
                    assert ahead == served(model, returned).index(sequence)
                case "preempted":
                    sequence = of(chance.choice("abcd"))
                    queue.add_preempted(sequence)
                    returned.appendleft(sequence)
                case "pop" if len(queue):
                    expected = served(model, returned)[0]
                    assert queue.first is expected
                    assert queue.pop() is expected
                    take(model, returned, expected)
                case "remove" if len(queue):
                    sequence = chance.choice(list(queue))
                    assert queue.remove(sequence)
                    assert not queue.remove(sequence)
                    forget(model, returned, sequence)
            assert len(queue) == len(list(queue)) == len(returned) + sum(map(len, model.values()))
            assert queue.callers == set(model) | {sequence.caller for sequence in returned}


def served(model: dict[str, list[Sequence]], returned: deque[Sequence]) -> list[Sequence]:
    """Return the order in which all would be served if nothing came."""
    rounds = range(max(map(len, model.values()), default=0))
    return [*returned, *(own[number] for number in rounds for own in model.values() if number < len(own))]


def take(model: dict[str, list[Sequence]], returned: deque[Sequence], sequence: Sequence) -> None:
    turn = sequence not in returned
    forget(model, returned, sequence)
    if turn and sequence.caller in model:
        model[sequence.caller] = model.pop(sequence.caller)  # to the end


def forget(model: dict[str, list[Sequence]], returned: deque[Sequence], sequence: Sequence) -> None:
    if sequence in returned:
        returned.remove(sequence)
        return
    model[sequence.caller].remove(sequence)
    if not model[sequence.caller]:
        del model[sequence.caller]
