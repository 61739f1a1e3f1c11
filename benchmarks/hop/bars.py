"""What the hop must reach."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.harness.figures import Bar
from benchmarks.hop.clock import CALLERS, LONE, SITUATIONS, WORKLOADS

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
