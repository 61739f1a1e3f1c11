"""What a run comes to: the shares of all processes as one record, and the document that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.generator.audit import audit, sum_audits, what_is_wrong
from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.meters.header import header_of
from tandem.measure.results.load import Backlog, Document, StreamResult, Window
from tandem.measure.results.record import Outcome, Record, merge
from tandem.measure.scenario import OpenLoop, Scenario
from tandem.measure.statistics.backlog import backlog_of
from tandem.measure.statistics.stream_results import is_measured, stream_results, window_seconds

# Statuses that are a reply of a server under load. All others say that something is wrong, and so does CANCELLED, where
# the scenario did not want it.
_REPLIES_UNDER_LOAD = ("OK", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")


@dataclass(frozen=True)
class RunResult:
    """A run's document, and the record it was made of.

    `cpu_seconds`: of all processes of the generator, until the last reply. `readings` of a meter, before and after.
    """

    document: Document
    record: Record
    cpu_seconds: float = 0.0
    readings: tuple[Any, Any] = (None, None)

    @property
    def is_good(self) -> bool:
        """Whether it went to its end, with nothing wrong, and was measured well."""
        return self.document.is_sound


def run_result(
    plan: Plan, shares: Sequence[Share], started_at: datetime, readings: tuple[Any, Any] = (None, None)
) -> RunResult:
    """Return what the shares of all processes come to. Raises ChildProcessError if none has anything."""
    records = [share.record for share in shares if share.record is not None]
    reasons = list(dict.fromkeys(share.stop_reason for share in shares if share.stop_reason))
    if not records:
        raise ChildProcessError("; ".join(reasons))
    record, scenario = merge(records), plan.scenario
    seconds = window_seconds(scenario, record, [share.stopped_at for share in shares if share.stopped_at is not None])
    streams = stream_results(scenario, record, seconds)
    own = audit(record, streams, is_partial=bool(reasons))
    problems = (*reasons, *_failures(streams))
    audits = sum_audits([own], 0, what_is_wrong("this run", own))
    document = Document(
        **header_of(plan.address, plan.models, started_at, audits, problems, is_partial=bool(reasons)),
        scenario=scenario,
        window=_window(scenario, record, seconds),
        streams=streams,
        backlog=_backlog(scenario, record, seconds),
        audit=own,
    )
    return RunResult(document, record, sum(share.cpu_seconds for share in shares), readings)


def _failures(streams: Sequence[StreamResult]) -> list[str]:
    """Return a line for each status that no load explains, with the server's own words, and what had no success."""
    found = []
    for stream in streams:
        if not stream.outcomes.ok:
            planned = stream.outcomes.planned
            why = (
                f"none of {quantity(planned, 'request')} ended well"
                if planned
                else "no request was due after the warm-up"
            )
            found.append(f"{stream.name}: nothing to measure: {why}")
        texts = {error.code: error.text for error in reversed(stream.errors)}
        for code, count in stream.codes.items():
            by_server = count - stream.outcomes.cancelled if code == "CANCELLED" else count
            if by_server and code not in _REPLIES_UNDER_LOAD:
                found.append(f"{stream.name}: {quantity(by_server, 'request')} ended in {code}: {texts.get(code, '')}")
    return found


def _backlog(scenario: Scenario, record: Record, seconds: float) -> Backlog | None:
    """Return whether the server keeps up; None for loads without a steady rate. Requests of the warm-up count, too.

    What counts ends with the last request that was due: behind it every queue drains.
    """
    if not isinstance(scenario.load, OpenLoop) or scenario.load.end_rate_per_second is not None:
        return None
    rows = record.requests
    ended = np.where(rows["outcome"] == Outcome.UNFINISHED, np.inf, rows["ended"])
    return backlog_of(rows["intended"], ended, min(seconds, float(np.max(rows["intended"], initial=0.0))))


def _window(scenario: Scenario, record: Record, seconds: float) -> Window:
    ended = record.requests["ended"]
    return Window(
        warm_up_seconds=scenario.warm_up_seconds,
        seconds=seconds,
        drain_seconds=max(0.0, float(np.max(ended, initial=0.0)) - seconds),
        num_warm_up_requests=int(np.sum(~is_measured(record))),
    )
