"""The engine's loop without its thread: schedule, run, commit, until nothing is left to do."""

from services.ar.compute.runner import Runner
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, Sequence


def brought(scheduler: Scheduler, runner: Runner, sequences: list[Sequence]) -> list[list[SampledToken]]:
    """Return what each sequence brought; no block may be lost on the way."""
    tokens_of: dict[int, list[SampledToken]] = {id(sequence): [] for sequence in sequences}
    for sequence in sequences:
        scheduler.add(sequence)
    while scheduler.has_work:
        scheduler.check_integrity()
        batch = scheduler.schedule()
        results = runner.run(batch)
        for progress in scheduler.commit(batch, results):
            tokens_of[id(progress.sequence)] += progress.tokens
    return [tokens_of[id(sequence)] for sequence in sequences]
