"""The engine's loop without its thread: schedule, run, commit, until nothing is left to do."""

import random
from collections.abc import Callable

from services.ar.compute.runner import Runner
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from tests.tiny_models import VOCAB_SIZE

Brought = list[list[SampledToken]]
"""The tokens of each sequence."""


def brought(scheduler: Scheduler, runner: Runner, sequences: list[Sequence]) -> Brought:
    """Return what each sequence brought; no block may be lost on the way."""
    tokens_of: dict[int, list[SampledToken]] = {id(sequence): [] for sequence in sequences}
    for sequence in sequences:
        scheduler.add(sequence)
    while scheduler.has_work:
        scheduler.check_integrity()
        batch = scheduler.schedule()
        for progress in scheduler.commit(batch, runner.run(batch)):
            tokens_of[id(progress.sequence)] += progress.tokens
    return [tokens_of[id(sequence)] for sequence in sequences]


def check_company(outputs: Callable[[list[Sequence], int], tuple[Brought, int]], num_shared: int = 0) -> None:
    """Hold what sequences bring together against what each brings alone: greedy, sampled and scored ones.

    `outputs` is given sequences and a number of blocks, of which 12 are few, and returns what they brought and how many
    were preempted. Every second prompt begins with the same `num_shared` tokens.
    """
    alone = [outputs([sequence], 128)[0][0] for sequence in _company(num_shared)]
    for num_blocks in (128, 12):
        together = _company(num_shared)
        order = random.Random(1).sample(range(len(together)), len(together))
        found, num_preemptions = outputs([together[place] for place in order], num_blocks)
        assert found == [alone[place] for place in order]
        assert (num_preemptions > 0) == (num_blocks == 12)
        if num_blocks == 128:
            assert any(sequence.num_cached_tokens for sequence in together) == (num_shared > 0)


def _company(num_shared: int) -> list[Sequence]:
    """Return sequences whose prompts end around multiples of 16; the last one is scored."""
    source = random.Random(3)
    beginning = [source.randrange(VOCAB_SIZE) for _ in range(num_shared)]
    lengths = [1, 2, 15, 16, 17, 31, 33, 40, 1, 8, 48, 20]
    prompts = [[source.randrange(VOCAB_SIZE) for _ in range(length)] for length in lengths]
    return [
        Sequence(
            beginning * (number % 2) + prompt,
            SamplingParams(seed=number, temperature=number % 3, max_tokens=20, ignore_eos=True, logprobs=True),
            is_scored=number == len(prompts) - 1,
        )
        for number, prompt in enumerate(prompts)
    ]
