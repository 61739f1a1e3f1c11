"""Given text requests as a load: so many at a time, each sent once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness.scenarios import closed
from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, Meter
from tandem.measure.generator.requests.replies import messages_by_number
from tandem.measure.generator.run import RunResult
from tandem.measure.workload_text import parse_workload

_LIMIT_SECONDS = 300.0


@dataclass(frozen=True)
class Answered:
    """`seconds` from the first request's start to the last one's end; `replies` in the order of the requests."""

    seconds: float
    replies: list[ar_pb2.CompleteResponse]
    run_result: RunResult

    @property
    def outputs(self) -> list[list[int]]:
        """The tokens of each reply."""
        return [list(reply.choices[0].token_ids) for reply in self.replies]


async def answered(
    source: Generator,
    audited_runs: AuditedRuns,
    name: str,
    requests: Sequence[ar_pb2.GenerateRequest],
    *,
    num_at_a_time: int,
    meter: Meter | None = None,
) -> Answered:
    """Send all of them, as unary calls of one model. Raises RuntimeError if one failed."""
    workload = parse_workload(f"text,unary,model={requests[0].model}")
    ending = {"num_requests": len(requests), "drain_seconds": _LIMIT_SECONDS}
    scenario = closed(workload, num_at_a_time, keep_replies=True, **ending)
    raw = [ar_pb2.CompleteRequest(generate=each).SerializeToString() for each in requests]
    run_result = await audited_runs.run(source, name, scenario, requests=[raw], meter=meter)
    if run_result.document.problems:
        raise RuntimeError("; ".join(run_result.document.problems))
    rows = run_result.record.requests
    replies: dict[int, Any] = {
        number % len(requests): reply
        for number, (reply,) in messages_by_number(run_result.record, [workload.rpc]).items()
    }
    seconds = float(np.max(rows["ended"]) - np.min(rows["sent"]))
    return Answered(seconds, [replies[place] for place in range(len(requests))], run_result)
