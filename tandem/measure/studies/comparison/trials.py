"""One trial: one load, in one mode, so many callers, each of which asks again when it has its image.

From the result of such a load to what each request saw, and what it took. Sends nothing.
"""

from dataclasses import dataclass

import numpy as np

from tandem.measure.formats import counted
from tandem.measure.generator.run import RunResult
from tandem.measure.meters.cpu import CpuMeter, CpuReading
from tandem.measure.results.record import REPLY, Outcome, Record
from tandem.measure.studies.comparison.foreign import whole_texts
from tandem.measure.studies.comparison.modes import Mode


async def read_cpu(meter: CpuMeter, mode: Mode) -> CpuReading:
    """Return what is read before and after a trial; of a foreign server nobody knows anything.

    Raises OSError if a process to be metered is gone.
    """
    return CpuReading(None, None) if mode.is_foreign else await meter.read(mode.paradigm)


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
        load = f"{self.mode.name}, {counted(self.concurrency, 'caller')}"
        if not len(rows):
            return f"{load}: the trial was over before the first request was sent; did this machine pause?"
        return f"{load}: none of {counted(len(rows), 'request')} ended well"


def trial_of(mode: Mode, concurrency: int, run_result: RunResult) -> Trial:
    """Return the trial of a closed loop without warm-up, which was metered; its seconds begin with the first request
    and end with the last reply.
    """
    record = whole_texts(run_result.record, [mode])._replace(
        replies=np.array([], REPLY), reply_bytes=np.array([], np.uint8)
    )
    before, after = run_result.readings
    rows = record.requests
    spent = Spent(
        seconds=float(np.max(rows["ended"]) - np.min(rows["intended"])) if len(rows) else 0.0,
        gateway_cpu_seconds=_rise(before.gateway, after.gateway),
        backend_cpu_seconds=_rise(before.backend, after.backend),
        client_cpu_seconds=run_result.cpu_seconds,
    )
    return Trial(mode, concurrency, record, spent)


def _rise(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
