"""Whether the generator was good enough for what it measured: its lateness, its CPU, what it could not send.

The bounds are here, in one place. A run that breaks one is invalid, whatever its figures look like.
"""

from collections.abc import Sequence

import numpy as np

from bench.load.document import Audit, Check, ProcessUse, StreamResult, Summary
from bench.load.quantiles import summary
from bench.load.record import Record, Use

# Latency counts from the intended start, so lateness is in it: at the same quantile it may be so much of it.
MAX_LATENESS_SHARE = 0.1
# Of a p99 less than this is not asked for: whatever else runs on a machine takes a core for so long now and then.
P99_ALLOWANCE_SECONDS = 1e-3
# A message is seen when the event loop comes to it: so late at the most, and often less.
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
    cpu_share = max(each.cpu_share for each in processes)
    dropped, unfinished = (sum(getattr(each.fates, name) for each in streams) for name in ("dropped", "unfinished"))
    checks = [
        *_relative("lateness", "sent late", lateness, streams, MAX_LATENESS_SHARE),
        *_relative("loop lag", "event loop late", lag, streams, MAX_LOOP_LAG_SHARE),
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


def _relative(name: str, what: str, own: Summary, streams: Sequence[StreamResult], bound: float) -> list[Check]:
    """Compare a quantile of our own delay with the same one of the fastest stream's latency."""
    checks = []
    for quantile, allowance in (("p50", 0.0), ("p99", P99_ALLOWANCE_SECONDS)):
        latencies = [getattr(stream.latency.seconds, quantile) for stream in streams]
        fastest = min((each for each in latencies if each), default=None)
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
    )
