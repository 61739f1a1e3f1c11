"""The highest rate at which p99 stays within an objective: from a curve, or by a search with the load generator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import BrokenOff, Generator
from tandem.measure.results.comparison import Capacity, Point, Probe
from tandem.measure.scenario import OpenLoop, Scenario
from tandem.measure.statistics.bracket import Tried, bracket, next_rate
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.observer import Observer

QUANTILE = 0.99
# An open loop of so many requests, if that takes no longer.
_REQUESTS, _LEAST_SECONDS, _MOST_SECONDS, _WARM_UP_SECONDS = 200, 3.0, 10.0, 1.0
_NUM_PROBES = 6

# Where a curve names no rate that met the objective, the search begins at this share of the least one.
_FIRST_SHARE = 0.5

Try = Callable[[float], Awaitable[Probe]]


def from_curve(curve: Sequence[Point], slo_seconds: float) -> Capacity:
    """Return what the points of a closed loop, by concurrency, say."""
    good = [point for point in curve if _meets(point, slo_seconds)]
    best = max(good, key=lambda point: point.images_per_second.value, default=None)
    return Capacity(
        slo_seconds=slo_seconds,
        method="curve",
        images_per_second=best.images_per_second.value if best else None,
        concurrency=best.concurrency if best else None,
        is_lower_bound=len(curve) > 0 and curve[-1] in good,
        probes=(),
    )


def _meets(point: Point, slo_seconds: float) -> bool:
    """Whether p99 is within the objective; of too few requests for a p99, whether all are."""
    seconds = point.latency.distribution.seconds
    worst = seconds.p99 if seconds.p99 is not None else seconds.max
    return not point.num_errors and worst is not None and worst <= slo_seconds


def first_rate(curve: Sequence[Point], capacity: Capacity) -> float:
    """Return where a search should begin."""
    least = min(point.images_per_second.value for point in curve)
    return capacity.images_per_second or least * _FIRST_SHARE


async def searched(begin: float, slo_seconds: float, attempt: Try) -> Capacity:
    """Return the highest rate up to which all probes met the objective, from `begin` on."""
    probes: list[Probe] = []
    for number in range(_NUM_PROBES):
        probes.append(await attempt(next_rate(_tried(probes), begin, _NUM_PROBES - number)))
    low, high = bracket(_tried(probes))
    return Capacity(
        slo_seconds=slo_seconds,
        method="search",
        images_per_second=low,
        concurrency=None,
        is_lower_bound=high is None,
        probes=tuple(probes),
    )


def _tried(probes: Sequence[Probe]) -> Tried:
    return [(each.rate_per_second, each.meets) for each in probes]


def open_loop(source: Generator, audited_runs: AuditedRuns, mode: Mode, slo_seconds: float, observer: Observer) -> Try:
    """Return what tries one rate. It raises BrokenOff if the load generator can't go on, or is stopped."""

    async def attempt(rate: float) -> Probe:
        observer.probing(mode.name, rate)
        scenario = Scenario(
            workloads=(mode.workload.model_copy(update={"slo_seconds": slo_seconds}),),
            load=OpenLoop(rate_per_second=rate),
            duration_seconds=min(_MOST_SECONDS, max(_LEAST_SECONDS, _REQUESTS / rate)),
            warm_up_seconds=_WARM_UP_SECONDS,
        )
        document = (await audited_runs.run(source, f"{mode.name}, {rate:.3g}/s", scenario)).document
        if document.is_partial:
            raise BrokenOff("; ".join(document.problems))
        (stream,) = document.streams
        share = stream.goodput.share if stream.goodput else None
        return Probe(
            rate_per_second=rate,
            p99_seconds=stream.latency.seconds.p99,
            num_failed=stream.outcomes.planned - stream.outcomes.ok,
            meets=share is not None and share >= QUANTILE,
        )

    return attempt
