"""One trial: one load, in one mode, so many callers, each of which asks again when it has its image.

Which scenario that is; and from its result to what each request saw, and what it took. Sends nothing.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.sending.statuses import INTERNAL
from tandem.measure.meters.cpu import CpuReading
from tandem.measure.results.record import CODE_NAMES, REPLY, Outcome, Record
from tandem.measure.scenario import Scenario
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, Mode

# What a load draws from: the classes and seeds of each are its own.
_SEQUENTIAL, _PARALLEL, _UNCOUNTED, _THIRD_PARTY = range(1, 5)
_DRAIN_SECONDS = DEADLINE_SECONDS + 5.0


def uncounted(mode: Mode, concurrency: int, seed: int, num_requests: int) -> Scenario:
    """Return requests of so many callers, which nobody counts."""
    return _scenario(mode, concurrency, seed, _UNCOUNTED, num_requests=num_requests)


def steady(mode: Mode, concurrency: int, seconds: float, seed: int) -> Scenario:
    """Return a trial of so many callers."""
    source = _THIRD_PARTY if mode.is_foreign else _SEQUENTIAL if mode.paradigm == "sequential" else _PARALLEL
    return _scenario(mode, concurrency, seed, source, duration_seconds=seconds, keep_replies=not mode.is_text)


def _scenario(mode: Mode, concurrency: int, seed: int, source: int, **values: Any) -> Scenario:
    usual = {
        "workloads": (mode.workload,),
        "load": {"loop": "closed", "concurrency": concurrency},
        "warm_up_seconds": 0.0,
        "drain_seconds": _DRAIN_SECONDS,
        "num_places": mode.model.num_classes or None,
        "seed": int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0] >> 1),
    }
    return Scenario.model_validate({**usual, **values})


@dataclass(frozen=True)
class Spent:
    """What a trial used; None: nobody knows."""

    seconds: float
    gateway_cpu_seconds: float | None
    backend_cpu_seconds: float | None
    client_cpu_seconds: float


@dataclass(frozen=True)
class Trial:
    """A trial that is over."""

    mode: Mode
    concurrency: int
    record: Record
    spent: Spent

    @property
    def failure(self) -> str:
        """Why nothing was measured; empty if a request ended well."""
        rows = self.record.requests
        if np.any(rows["outcome"] == Outcome.OK):
            return ""
        load = f"{self.mode.name}, {quantity(self.concurrency, 'caller')}"
        if not len(rows):
            return f"{load}: the trial was over before the first request was sent; did this machine pause?"
        return f"{load}: none of {quantity(len(rows), 'request')} ended well"


def trial_of(mode: Mode, concurrency: int, run_result: RunResult) -> Trial:
    """Return the trial of a closed loop without warm-up, which was metered; its seconds begin with the first request
    and end with the last reply. The replies are no longer needed.
    """
    record = run_result.record._replace(replies=np.array([], REPLY), reply_bytes=np.array([], np.uint8))
    before, after = run_result.readings
    rows = record.requests
    spent = Spent(
        seconds=float(np.max(rows["ended"]) - np.min(rows["intended"])) if len(rows) else 0.0,
        gateway_cpu_seconds=_rise(before, after, "gateway"),
        backend_cpu_seconds=_rise(before, after, "backend"),
        client_cpu_seconds=run_result.cpu_seconds,
    )
    return Trial(mode, concurrency, whole_texts(record) if mode.is_foreign else record, spent)


def _rise(before: CpuReading, after: CpuReading, process: str) -> float | None:
    first, last = getattr(before, process), getattr(after, process)
    return None if first is None or last is None else last - first


def whole_texts(record: Record) -> Record:
    """Return the record of a third-party server with an error for each text that is shorter than was asked for.

    A server that ends early is no faster, and a text without a token has no first output.
    """
    requests, texts = record.requests.copy(), Counter(record.error_texts)
    is_short = (requests["outcome"] == Outcome.OK) & (requests["num_outputs"] < requests["length"])
    for row in requests[is_short]:
        came = quantity(int(row["num_outputs"]), "token" if row["is_counted"] else "message")
        text = f"{came} came instead of {quantity(int(row['length']), 'token')}"
        texts[int(row["workload"]), CODE_NAMES[INTERNAL], text] += 1
    requests["outcome"][is_short], requests["code"][is_short] = Outcome.ERROR, INTERNAL
    return record._replace(requests=requests, error_texts=texts)
