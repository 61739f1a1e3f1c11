"""A whole run: ask for the models, start the processes, carry the load out, and make the document of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import numpy as np

from bench.load.audit import audit
from bench.load.document import Document, StreamResult, Window
from bench.load.machine import this_machine
from bench.load.plan import Plan
from bench.load.record import Record, merged
from bench.load.results import is_measured, stream_results, window_seconds
from bench.load.scenario import Scenario
from bench.load.served import served_models, with_model
from bench.load.workers import OnProgress, Share, Workers
from tandem.client.channels import is_loopback

# Statuses that are an answer of a server under load. All others say that something is wrong.
_ANSWERS_UNDER_LOAD = ("OK", "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
BROKEN_OFF = "broken off by hand"


@dataclass(frozen=True)
class Outcome:
    """A run's document, and the record it was made of."""

    document: Document
    record: Record

    @property
    def is_good(self) -> bool:
        """Whether it went to its end, with nothing wrong, and was measured well."""
        return not self.document.problems and self.document.audit.valid


async def planned(address: str, scenario: Scenario) -> Plan:
    """Return the plan of a run. Raises TandemRpcError, and ValueError if the server has no such model."""
    models = await served_models(address, {work.paradigm for work in scenario.works})
    works = tuple(with_model(work, models) for work in scenario.works)
    # Validated anew: with their models' names known, two works may turn out to be the same.
    return Plan(address=address, scenario=Scenario(**{**dict(scenario), "works": works}), models=models)


async def conduct(plan: Plan, on_progress: OnProgress, stop: asyncio.Event) -> Outcome:
    """Carry a plan out; `stop` breaks it off, what was measured is kept. Raises ChildProcessError."""
    workers = Workers(plan, on_progress)
    async with workers.started():
        started_at = datetime.now(UTC)
        watch = asyncio.create_task(_stop_when_told(stop, lambda: workers.stop(BROKEN_OFF)))
        try:
            shares = await workers.run()
        finally:
            watch.cancel()
    return outcome(plan, shares, started_at)


async def _stop_when_told(stop: asyncio.Event, act: Callable[[], None]) -> None:
    await stop.wait()
    act()


def outcome(plan: Plan, shares: Sequence[Share], started_at: datetime) -> Outcome:
    """Return what the shares of all processes come to. Raises ChildProcessError if none has anything."""
    records = [share.record for share in shares if share.record is not None]
    reasons = list(dict.fromkeys(share.stop_reason for share in shares if share.stop_reason))
    if not records:
        raise ChildProcessError("; ".join(reasons))
    record, scenario = merged(records), plan.scenario
    seconds = window_seconds(scenario, record, [share.stopped_at for share in shares if share.stopped_at is not None])
    streams = stream_results(scenario, record, seconds)
    document = Document(
        tool_version=version("tandem-serving"),
        address=plan.address,
        is_local=is_loopback(plan.address),
        is_partial=bool(reasons),
        problems=(*reasons, *_failures(streams)),
        machine=this_machine(),
        models=plan.models,
        scenario=scenario,
        window=_window(scenario, record, seconds, started_at),
        streams=streams,
        audit=audit(record, streams, is_partial=bool(reasons)),
    )
    return Outcome(document, record)


def _failures(streams: Sequence[StreamResult]) -> list[str]:
    """Return a line for each status that no load explains, with the server's own words, and what had no success."""
    found = []
    for stream in streams:
        if not stream.fates.ok:
            found.append(f"{stream.name}: nothing to measure: none of {stream.fates.planned:,} requests ended well")
        texts = {error.code: error.text for error in reversed(stream.errors)}
        for code, count in stream.codes.items():
            if code not in _ANSWERS_UNDER_LOAD:
                found.append(f"{stream.name}: {count:,} requests ended in {code}: {texts.get(code, '')}")
    return found


def _window(scenario: Scenario, record: Record, seconds: float, started_at: datetime) -> Window:
    ended = record.requests["ended"]
    return Window(
        started_at=started_at + timedelta(seconds=scenario.warm_up_seconds),
        warm_up_seconds=scenario.warm_up_seconds,
        seconds=seconds,
        drain_seconds=max(0.0, float(np.max(ended, initial=0.0)) - seconds),
        num_warm_up_requests=int(np.sum(~is_measured(record))),
    )
