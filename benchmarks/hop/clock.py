"""The clock before real models: what /metrics says of requests whose times the client knows exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Client, closed_loop, open_loop, poisson
from benchmarks.harness.messages import GENERATE, SAMPLE, generate_requests, sample_requests
from benchmarks.harness.run import LoadFailed, Run, Target
from benchmarks.harness.servers import NOW, Hop
from benchmarks.hop.durations import NUM_CALLERS, Durations
from benchmarks.hop.seen import Seen
from tandem.measure.meters.metrics_page import read

PARADIGMS = ("parallel", "sequential")
LONE, CALLERS = "lone", f"{NUM_CALLERS}_callers"
LOADS = {"load_50": 0.5, "load_90": 0.9, "load_100": 1.0}
SITUATIONS = (LONE, CALLERS, *LOADS)
FLOOR_DELAY_SECONDS = 0.003
_WARM_UP_SECONDS = 1.0
_COUNTED_WITHIN_SECONDS = 30.0  # the proxy logs in batches, on a busy machine seconds late
_STANDS_STILL_SECONDS = 3.0  # a log entry of before that came later would count for the first load


def measure_round(client: Client, hops: Sequence[Hop], durations: Durations, figures: Figures, seed: int) -> None:
    """Measure each hop once, and the one of this tree also in open loop at shares of its own capacity."""
    for hop in hops:
        _wait_until_counted(hop)
        seen: dict[tuple[str, str], Seen] = {}
        for paradigm in PARADIGMS:
            seen[LONE, paradigm] = _closed(client, hop, paradigm, 1, durations.lone)
            seen[CALLERS, paradigm] = _closed(client, hop, paradigm, NUM_CALLERS, durations.many_callers)
        if hop.name == NOW:
            for situation, load in LOADS.items():
                for paradigm in PARADIGMS:
                    capacity = seen[CALLERS, paradigm].run.per_second
                    starts = poisson(load * capacity, durations.open_loop, seed)
                    found = seen[situation, paradigm] = _seen(hop, paradigm, partial(open_loop, client, starts=starts))
                    figures.add(f"{paradigm}.{situation}.delivered", hop.name, found.run.delivered_share())
        for (situation, paradigm), each in seen.items():
            for name, value in each.figures().items():
                figures.add(f"{paradigm}.{situation}.{name}", hop.name, value)
        for situation in dict.fromkeys(situation for situation, _ in seen):
            _add_ratio(figures, hop.name, situation, seen[situation, "sequential"], seen[situation, "parallel"])


def measure_floor(client: Client, port: int, durations: Durations, figures: Figures) -> None:
    """Measure what a client waits beyond FLOOR_DELAY_SECONDS of a compiled backend that answers after them.

    There is nothing else between the two than loopback and the client itself, which no server's clock can know.
    """
    for situation, callers in ((LONE, 1), (CALLERS, NUM_CALLERS)):
        run = closed_loop(client, Target(port, SAMPLE, sample_requests()), callers, durations.lone)
        run.check_all_ok("the floor")
        figures.add(f"ratio.{situation}.floor_ms", NOW, (run.quantile(0.5) - FLOOR_DELAY_SECONDS) * 1e3)


def warm_up(client: Client, hop: Hop) -> None:
    """Send a second of requests of each paradigm, which are not measured: the first ones find cold caches."""
    for paradigm in PARADIGMS:
        _closed(client, hop, paradigm, NUM_CALLERS, _WARM_UP_SECONDS)


def _target(hop: Hop, paradigm: str) -> Target:
    if paradigm == "parallel":
        return Target(hop.port, SAMPLE, sample_requests())
    return Target(hop.port, GENERATE, generate_requests())


def _closed(client: Client, hop: Hop, paradigm: str, callers: int, seconds: float) -> Seen:
    return _seen(hop, paradigm, lambda at: closed_loop(client, at, callers, seconds, keep_replies=True))


def _seen(hop: Hop, paradigm: str, load: Callable[[Target], Run]) -> Seen:
    """Run the load; read the metrics before it, and behind it once they have counted every request.

    Raises LoadFailed if no request ended OK.
    """
    before = read(f"127.0.0.1:{hop.http_port}")
    run = load(_target(hop, paradigm))
    if not run.num_ok:
        raise LoadFailed(f"{hop.name}: none of {len(run.status)} requests ended OK, {paradigm}")
    deadline = time.monotonic() + _COUNTED_WITHIN_SECONDS
    while True:
        seen = Seen(run, read(f"127.0.0.1:{hop.http_port}").since(before), paradigm)
        if seen.num_counted >= len(run.status) or time.monotonic() >= deadline:
            return seen
        time.sleep(0.1)


def _wait_until_counted(hop: Hop) -> None:
    """Return once the metrics of the gateway stand still: all requests that were sent before are then counted."""
    earlier, deadline = -1.0, time.monotonic() + _COUNTED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        counted = read(f"127.0.0.1:{hop.http_port}").total("tandem_requests_total")
        if counted == earlier:
            return
        earlier = counted
        time.sleep(_STANDS_STILL_SECONDS)


def _add_ratio(figures: Figures, hop: str, situation: str, sequential: Seen, parallel: Seen) -> None:
    """Add how many times as long an image takes in sequence, at p50, by the clients and by the metrics."""
    by_client = sequential.run.quantile(0.5) / parallel.run.quantile(0.5)
    by_metrics = sequential.duration.quantile(0.5) / parallel.duration.quantile(0.5)
    figures.add(f"ratio.{situation}.client", hop, by_client)
    figures.add(f"ratio.{situation}.prometheus", hop, by_metrics)
    figures.add(f"ratio.{situation}.error", hop, by_metrics / by_client - 1)
