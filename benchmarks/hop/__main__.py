"""What the gateway costs and whether its clock is right: direct, and through the gateway.

    python -m benchmarks.hop [--out benchmarks/results] [--rounds 5] [--seconds 1]

Writes hop.json: the bars, the figures behind them, and the machine they were measured on. The load is that of
`tandem bench run`. Costs are measured before a backend without a model that is compiled and never the limit, what one
and two workers of the proxy carry before four of those, the clock before the matched pair. CPU of the hop is user and
system time of all of its processes. Residual: its p50 over that of the duration; errors: /metrics beside the client's
exact times. Needs g++ and nghttp2 (Debian: libnghttp2-dev). Takes about six minutes on a machine that has nothing else
to do. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.harness.backend import AR_MODEL, GAN_MODEL, model_less
from benchmarks.harness.command import parser
from benchmarks.harness.figures import DIRECT, NOW, Bar, Figures
from benchmarks.harness.load import LoadTester, open_tester
from benchmarks.harness.processes import Service, gateway, service
from benchmarks.harness.results import are_met, write
from benchmarks.hop import clock, costs
from benchmarks.hop.clock import CALLERS, LONE, SITUATIONS, WORKLOADS
from tandem.shared.compiled.recipe import LibraryUnavailable

STREAM_SECONDS = 1.5
WORKERS, NUM_REPLICAS = {"1 worker": 1, "2 workers": 2}, 4
_COMPARED = (LONE, CALLERS, "load_50", "load_90")


def _of(what: str, situations: Sequence[str], paradigms: Sequence[str] = tuple(WORKLOADS)) -> tuple[str, ...]:
    return tuple(f"{paradigm}.{situation}.{what}" for situation in situations for paradigm in paradigms)


_ERRORS = tuple(name for what in ("p50_error", "p99_error") for name in _of(what, _COMPARED))
_RATIOS = tuple(f"ratio.{situation}.error" for situation in _COMPARED)
_DELIVERED = _of("delivered", ["load_100"])

BARS = (
    Bar("CPU of the hop, a unary request, 32 clients", ("unary_32_connections_cpu_ms",), 0.08, 0.06, "ms"),
    Bar("CPU of the hop, a streamed message, paced 32 x 200/s", ("paced_apart_cpu_ms",), 0.04, 0.025, "ms"),
    Bar("added at p50, one client", ("added_unary_p50_ms",), 0.25, 0.15, "ms"),
    Bar("unary requests a second, 32 clients", ("unary_32_connections_per_second",), 8000, 10000, "/s", True),
    Bar("residual at p50, a lone image", _of("residual_share", [LONE], ["parallel"]), 0.12, 0.05, "%"),
    Bar("residual at p50, 32 callers' images", _of("residual_share", [CALLERS], ["parallel"]), 0.08, 0.05, "%"),
    Bar("Prometheus' p50 and p99 off the client's (worst of 16)", _ERRORS, 0.1, 0.05, "%"),
    Bar("ratio sequential/parallel, Prometheus off the client's (worst of 4)", _RATIOS, 0.07, 0.05, "%"),
    Bar("open loop at the closed loop's rate, delivered (worse of 2)", _DELIVERED, 0.95, 1.0, "%", is_floor=True),
    Bar("requests that the metrics and the client count differently", _of("miscounted", SITUATIONS), 0, 0, ""),
    Bar("log entries dropped, 32 callers before a backend without a model", ("limit_dropped",), 0, 0, ""),
)
"""What the hop must reach."""


def measure_workers(rounds: int, seconds: float, figures: Figures) -> None:
    """Measure how many calls a gateway carries for each number of proxy workers, with several model-less backends."""
    with ExitStack() as stack:
        ports = [stack.enter_context(model_less(1, costs.TOKENS_PER_SECOND)) for _ in range(NUM_REPLICAS)]
        contenders = {}
        for name, count in WORKERS.items():
            hop = stack.enter_context(gateway(*ports, flags=("--workers", str(count))))
            tester = stack.enter_context(open_tester(hop.port, figures.audited_runs))
            contenders[name] = lambda _, tester=tester, hop=hop: costs.measure_full(tester, hop, seconds)
        figures.measure_rounds(rounds, contenders, what="what workers carry")


def measure(rounds: int, seconds: float, figures: Figures) -> None:
    """Measure all rounds: first before a backend without a model, then before the matched pair."""
    with ExitStack() as stack:

        def asked(server: Service) -> tuple[LoadTester, Service]:
            return stack.enter_context(open_tester(server.port, figures.audited_runs)), server

        num_tokens = int(seconds * STREAM_SECONDS * costs.TOKENS_PER_SECOND)
        port = stack.enter_context(model_less(num_tokens, costs.TOKENS_PER_SECOND))
        servers = {DIRECT: Service(port, ()), NOW: stack.enter_context(gateway(port, ar=[port]))}
        testers = {name: asked(server) for name, server in servers.items()}
        contenders = {name: lambda _, name=name: costs.measure(name, *testers[name], seconds) for name in servers}
        figures.measure_rounds(rounds, contenders, costs.added, "costs")
        # From here on a load that is repeated would be counted twice by the metrics.
        figures.audited_runs.most_attempts = 1
        # At the other gateway, log entries of the loads before may still be on their way.
        fresh = asked(stack.enter_context(gateway(port)))
        limit = {NOW: lambda _: costs.measure_limit(*fresh, 20 * seconds)}
        figures.measure_rounds(1, limit, what="the log at the proxy's limit")
    with ExitStack() as stack:
        ar = stack.enter_context(service("services.ar", AR_MODEL))
        gan = stack.enter_context(service("services.gan", GAN_MODEL))
        pair = asked(stack.enter_context(gateway(gan.port, ar=[ar.port])))
        figures.measure_rounds(rounds, {NOW: lambda _: clock.measure(*pair, seconds)}, what="the clock")


def main() -> None:
    options = parser(__doc__, rounds=5, seconds=1.0, out="hop").parse_args()
    figures = Figures()
    try:
        measure_workers(options.rounds, 2 * options.seconds, figures)
        measure(options.rounds, options.seconds, figures)
    except LibraryUnavailable as error:
        sys.exit(f"hop: {error}")
    document = figures.document("hop", options.rounds, bars=BARS)
    write(options.out, "hop", document)
    sys.exit(0 if are_met(document) else 1)


if __name__ == "__main__":
    main()
