import random

from services.ar.engine.isolation import run_isolated
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import SampledToken, Sequence
from services.ar.engine.step import Work


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


def works(count: int) -> list[Work]:
    return [Work(Sequence([number], SamplingParams()), 1) for number in range(count)]


def test_a_batch_without_fault_runs_once():
    steps = Steps(set())
    assert run_isolated(steps, works(9)) == [[SampledToken(number)] for number in range(9)]
    assert steps.num_runs == 1


def test_just_the_guilty_have_no_tokens():
    chance = random.Random(3)
    for _ in range(200):
        count = chance.randint(1, 40)
        guilty = set(chance.sample(range(count), chance.randint(1, min(count, 5))))
        results = run_isolated(Steps(guilty), works(count))
        assert {place for place, result in enumerate(results) if isinstance(result, ZeroDivisionError)} == guilty
        assert all(results[place] == [SampledToken(place)] for place in range(count) if place not in guilty)


def test_one_guilty_among_many_is_found_in_few_runs():
    steps = Steps({37})
    run_isolated(steps, works(64))
    assert steps.num_runs <= 1 + 2 * 6
