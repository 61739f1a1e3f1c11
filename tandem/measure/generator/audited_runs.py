"""The runs of a study. Each run is audited. One whose audit fails is repeated, and if that does not help, the document
says so. A run that ended before it sent a request, because the machine paused, is repeated as well.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from tandem.measure.generator.audit import sum_audits, what_is_wrong
from tandem.measure.generator.generator import Generator
from tandem.measure.generator.run import RunResult
from tandem.measure.results.header import Audit, Audits
from tandem.measure.scenario import Scenario

MOST_ATTEMPTS = 3


@dataclass
class AuditedRuns:
    """Counts what became of the runs. Requests of scenarios with one seed are numbered through: none is sent twice."""

    most_attempts: int = MOST_ATTEMPTS
    audits: list[Audit] = field(default_factory=list)  # of the runs whose figures count
    num_repeated: int = 0
    invalid: list[str] = field(default_factory=list)
    _next_numbers: Counter[int] = field(default_factory=Counter)  # by seed

    async def run(self, source: Generator, name: str, scenario: Scenario, **options: Any) -> RunResult:
        """Return the first run that was measured well, or the last one; `options` and errors are `Generator.run`'s.

        One that was broken off is neither repeated nor told of: its document says what it is.
        """
        (run_result,) = await self._run_audited(name, [partial(self.once, source, scenario, **options)])
        return run_result

    async def run_together(self, name: str, loads: Sequence[tuple[Generator, Scenario]]) -> list[RunResult]:
        """Return runs at the same time, as `run` does. They are repeated together: none is to run without the others.

        Their seeds must differ.
        """
        return await self._run_audited(name, [partial(self.once, source, scenario) for source, scenario in loads])

    async def _run_audited(self, name: str, runs: Sequence[Callable[[], Awaitable[RunResult]]]) -> list[RunResult]:
        run_results = await asyncio.gather(*(run() for run in runs))
        for _ in range(self.most_attempts - 1):
            are_good = (one.document.audit.valid and len(one.record.requests) for one in run_results)
            if all(are_good) or any(one.document.is_partial for one in run_results):
                break
            run_results = await asyncio.gather(*(run() for run in runs))
            self.num_repeated += len(runs)
        if not any(run_result.document.is_partial for run_result in run_results):
            for run_result in run_results:
                self.count(name, run_result)
        return run_results

    async def once(self, source: Generator, scenario: Scenario, **options: Any) -> RunResult:
        """Run a scenario that nothing is told of, such as a warm-up."""
        numbered = scenario.model_copy(update={"first_number": self._next_numbers[scenario.seed]})
        run_result = await source.run(numbered, **options)
        numbers = run_result.record.requests["number"]
        self._next_numbers[scenario.seed] = int(np.max(numbers, initial=numbered.first_number - 1)) + 1
        return run_result

    def count(self, name: str, run_result: RunResult) -> None:
        """Take a run whose figures count."""
        self.audits.append(run_result.document.audit)
        self.invalid += what_is_wrong(name, run_result.document.audit)

    def summary(self) -> Audits:
        """Return what all audits come to."""
        return sum_audits(self.audits, self.num_repeated, self.invalid)
