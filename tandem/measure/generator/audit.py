"""Whether the generator was good enough for what it measured: its lateness, its CPU, what it could not send.

The bounds are here, in one place. A run that breaks one is invalid, whatever its figures look like.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tandem.measure.results.header import Audit, Audits, Check, ProcessUse
from tandem.measure.results.load import StreamResult
from tandem.measure.results.record import Record, Use
from tandem.measure.results.value import Summary
from tandem.measure.statistics.quantiles import summary

# Latency counts from the intended start, so lateness is in it: at the same quantile it may be so much of it.
MAX_LATENESS_SHARE = 0.1
# A p99 below this passes, because other processes of a machine occupy a core for this long now and then.
P99_ALLOWANCE_SECONDS = 1e-3
# A message is seen when the sender has woken for it: so late at the most, and often less.
MAX_LOOP_LAG_SHARE = 0.2
# Of one core. A process that is busy all the time measures its own queue.
MAX_CPU_SHARE = 0.9
# A request that was not sent, or cut off while it took long, is missing from the tail.
MAX_DROPPED = 0
MAX_UNFINISHED = 0


def audit(record: Record, streams: Sequence[StreamResult], is_partial: bool) -> Audit:
    """Return the verdict. Of a partial run, what was cut off is no fault."""
    rows = record.requests
    lateness = summary(rows["sent"] - rows["intended"])
    lag = summary(record.lags)
    processes = tuple(_process(use) for use in record.uses)
    cpu_share = max(process.cpu_share for process in processes)
    dropped, unfinished = (
        sum(getattr(stream.outcomes, name) for stream in streams) for name in ("dropped", "unfinished")
    )
    checks = [
        *_relative("lateness", "sent late", lateness, streams, MAX_LATENESS_SHARE),
        *_relative("loop lag", "woke late", lag, streams, MAX_LOOP_LAG_SHARE),
        _check("CPU", cpu_share, MAX_CPU_SHARE, f"{cpu_share:.0%} of a core, in the busiest process"),
        _check("dropped", dropped, MAX_DROPPED, f"{dropped:,} requests were due but could not be sent"),
    ]
    if not is_partial:
        text = f"{unfinished:,} requests were cut off at the end of the drain"
        checks.append(_check("unfinished", unfinished, MAX_UNFINISHED, text))
    return Audit(
        valid=all(check.passed for check in checks),
        checks=tuple(checks),
        lateness=lateness,
        loop_lag=lag,
        max_outstanding=record.max_outstanding,
        processes=processes,
    )


def sum_audits(audits: Sequence[Audit], num_repeated: int, invalid: Sequence[str]) -> Audits:
    """Return what the audits of several runs come to."""

    def worst(pick: Callable[[Audit], float | None]) -> float | None:
        return max((value for found in audits if (value := pick(found)) is not None), default=None)

    return Audits(
        num_runs=len(audits),
        num_repeated=num_repeated,
        invalid=tuple(invalid),
        lateness_p50_seconds=worst(lambda found: found.lateness.p50),
        loop_lag_p50_seconds=worst(lambda found: found.loop_lag.p50),
        cpu_share=worst(lambda found: max(process.cpu_share for process in found.processes)),
        is_real_time=all(process.is_real_time for found in audits for process in found.processes),
    )


def what_is_wrong(name: str, found: Audit) -> list[str]:
    """Return a line that names the run and each bound that it has broken; none if it was measured well."""
    reasons = "; ".join(check.text for check in found.checks if not check.passed)
    return [] if found.valid else [f"{name}: {reasons}"]


def _relative(name: str, what: str, own: Summary, streams: Sequence[StreamResult], bound: float) -> list[Check]:
    """Compare a quantile of our own delay with the same one of the fastest stream's latency."""
    checks = []
    for quantile, allowance in (("p50", 0.0), ("p99", P99_ALLOWANCE_SECONDS)):
        latencies = [getattr(stream.latency.seconds, quantile) for stream in streams]
        fastest = min((latency for latency in latencies if latency), default=None)
        seconds = getattr(own, quantile)
        if fastest is None or seconds is None:
            continue
        allowed = max(bound * fastest, allowance)
        text = f"{what} by {seconds * 1e3:.3g} ms at {quantile}, with a latency of {fastest * 1e3:.3g} ms"
        checks.append(_check(f"{name} {quantile}, seconds", seconds, allowed, text))
    return checks


def _check(name: str, value: float, bound: float, text: str) -> Check:
    return Check(name=name, value=float(np.round(value, 6)), bound=bound, passed=value <= bound, text=text)


def _process(use: Use) -> ProcessUse:
    return ProcessUse(
        cpu_seconds=use.cpu_seconds,
        wall_seconds=use.wall_seconds,
        cpu_share=use.cpu_seconds / use.wall_seconds if use.wall_seconds else 0.0,
        num_requests=use.num_requests,
        cpu_seconds_per_request=use.cpu_seconds / use.num_requests if use.num_requests else None,
        is_real_time=use.is_real_time,
        sender="compiled" if use.is_compiled else "Python",
    )
