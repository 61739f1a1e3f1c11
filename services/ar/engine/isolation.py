"""Finds out which sequences of a step make it fail, so that the step fails for them alone.

Computing is repeatable: a step writes the keys and values of its own tokens and nothing else, so those that are
computed once more come to the same result. Knows nothing of models or schedules.
"""

import logging
from collections.abc import Callable

from services.ar.engine.step import StepResult, Work

logger = logging.getLogger(__name__)

Run = Callable[[list[Work]], list[StepResult]]


def run_isolated(run: Run, batch: list[Work]) -> list[StepResult]:
    """Return what `run` returns for the batch; if it raises, the batch is run in halves until the guilty ones are left.

    A work that fails alone has its exception as its result. With one guilty work in a batch of n that takes about
    2 log2(n) further runs.
    """
    try:
        return run(batch)
    except Exception as error:
        if len(batch) == 1:
            logger.exception("a step failed for one sequence")
            return [error]
    logger.warning("a step of %d sequences failed; it is run again in halves", len(batch))
    middle = len(batch) // 2
    return run_isolated(run, batch[:middle]) + run_isolated(run, batch[middle:])
