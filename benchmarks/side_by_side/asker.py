"""Asking an engine by the load generator, and what its replies tell: when tokens came, and which.

Knows neither workloads nor servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.scenarios import closed
from benchmarks.peers.engine import Engine, Prompt, Question
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator
from tandem.measure.results.record import Record
from tandem.measure.workload_text import parse_workload

_DRAIN_SECONDS = 300.0

Instants = NDArray[np.float64]


class WrongOutput(Exception):
    """Expected: an engine answered with something else than was asked for; its times would mean nothing."""


@dataclass(frozen=True)
class Asked:
    """What came of requests, which are in their order in `sent`, `first_token` and `ended`: instants in seconds.

    `client_cores`: CPU seconds of the load generator for each second of the load.
    """

    record: Record
    client_cores: float

    @property
    def sent(self) -> Instants:
        return np.asarray(self.record.requests["sent"])

    @property
    def first_token(self) -> Instants:
        return np.asarray(self.record.requests["first_output"])

    @property
    def ended(self) -> Instants:
        return np.asarray(self.record.requests["ended"])

    @property
    def seconds(self) -> float:
        """From the first request's start to the last one's end."""
        return float(self.ended.max() - self.sent.min())

    def arrivals(self, request: int) -> Instants:
        """Return when each message with tokens of a request came; several tokens that come together are one message."""
        numbers = self.record.requests["number"]
        return np.asarray(self.record.messages["at"][self.record.messages["number"] == numbers[request]])

    def gaps(self) -> list[float]:
        """Return the seconds between messages of all requests."""
        return [gap for request in range(len(self.sent)) for gap in np.diff(self.arrivals(request)).tolist()]


@dataclass(frozen=True)
class Asker:
    """Asks one engine. `audited_runs` counts each run as `name`; without it, they are of a warm-up or a check."""

    engine: Engine
    source: Generator
    audited_runs: AuditedRuns | None = None
    name: str = ""

    async def ask(self, prompts: Sequence[Prompt], num_tokens: int | Sequence[int], *, at_a_time: int = 1) -> Asked:
        """Send the prompts in turn, so many at a time: an engine of static batches gets those in one request.

        Raises WrongOutput if an output has another length.
        """
        size = at_a_time if self.engine.is_static_batch else 1
        lengths = [num_tokens] * len(prompts) if isinstance(num_tokens, int) else num_tokens
        batches = [list(prompts[begin : begin + size]) for begin in range(0, len(prompts), size)]
        questions = [Question(batch, length) for batch, length in zip(batches, lengths[::size], strict=True)]
        return await self._asked(questions, at_a_time // size, keeps_replies=False)

    async def outputs(self, prompts: Sequence[Prompt], num_tokens: Sequence[int]) -> list[list[int]]:
        """Return the output of each prompt, so many tokens of it. Raises WrongOutput."""
        questions = [Question([prompt], count) for prompt, count in zip(prompts, num_tokens, strict=True)]
        at_a_time = 1 if self.engine.is_static_batch else len(questions)
        asked = await self._asked(questions, at_a_time, keeps_replies=True)
        kept = asked.record.kept()
        return [self.engine.dialect.tokens(kept[number]) for number in range(len(questions))]

    async def _asked(self, questions: Sequence[Question], at_a_time: int, *, keeps_replies: bool) -> Asked:
        dialect = self.engine.dialect
        workload = parse_workload("text", dialect.api, dialect.model)
        ending = {"num_requests": len(questions), "drain_seconds": _DRAIN_SECONDS}
        scenario = closed(workload, at_a_time, keep_replies=keeps_replies, **ending)
        requests = [[dialect.request(question) for question in questions]]
        found = await self.source.run(scenario, requests=requests)
        if self.audited_runs is not None:
            self.audited_runs.count(self.name, found)
        if found.document.problems:
            raise RuntimeError("; ".join(found.document.problems))
        for question, row in zip(questions, found.record.requests, strict=True):
            expected = question.num_tokens * len(question.prompts)
            if not row["is_counted"] or row["num_outputs"] != expected:
                raise WrongOutput(f"{row['num_outputs']} tokens where {expected} were asked for")
        (process,) = found.document.audit.processes
        return Asked(found.record, process.cpu_share)
