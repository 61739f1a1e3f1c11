"""The clock before real models: what /metrics says of requests whose times the client knows exactly."""

from __future__ import annotations

from benchmarks.harness.load import LoadFailed, LoadTester
from benchmarks.harness.processes import Service
from benchmarks.hop.costs import ALONE, IMAGE, IMAGES, MANY, NUM_CALLERS, counted_since
from tandem.measure.meters.metrics_page import read
from tandem.measure.scenario import ClosedLoop, OpenLoop

WORKLOADS = {"parallel": IMAGES, "sequential": IMAGE}
LONE, CALLERS = "lone", f"{NUM_CALLERS}_callers"
LOADS = {"load_50": 0.5, "load_90": 0.9, "load_100": 1.0}
SITUATIONS = (LONE, CALLERS, *LOADS)


def measure(tester: LoadTester, hop: Service, seconds: float) -> dict[str, float]:
    """Measure each paradigm with one caller, with many, and in open loop at shares of what those reached."""
    found: dict[str, dict[str, float]] = {}
    for paradigm in WORKLOADS:
        found[f"{paradigm}.{LONE}"] = _measure(tester, hop, paradigm, ALONE, seconds)
        found[f"{paradigm}.{CALLERS}"] = _measure(tester, hop, paradigm, MANY, 2 * seconds)
    for situation, share in LOADS.items():
        for paradigm in WORKLOADS:
            load = OpenLoop(rate_per_second=share * found[f"{paradigm}.{CALLERS}"]["per_second"])
            found[f"{paradigm}.{situation}"] = _measure(tester, hop, paradigm, load, 3 * seconds)
    for situation in SITUATIONS:  # how many times as long an image takes in sequence
        sequential, parallel = (found[f"{paradigm}.{situation}"] for paradigm in ("sequential", "parallel"))
        client, clock = (sequential[name] / parallel[name] for name in ("client_p50_ms", "prometheus_p50_ms"))
        found[f"ratio.{situation}"] = {"client": client, "prometheus": clock, "error": clock / client - 1}
    return {f"{part}.{name}": value for part, figures in found.items() for name, value in figures.items()}


def _measure(
    tester: LoadTester, hop: Service, paradigm: str, load: ClosedLoop | OpenLoop, seconds: float
) -> dict[str, float]:
    """Run a load, and return what the metrics, read before it and once they have counted it, say of it beside the
    client; NaN for what they do not tell.
    """
    before = read(f"127.0.0.1:{hop.http_port}")
    run = tester.run(f"{paradigm}, {load}", WORKLOADS[paradigm], load, duration_seconds=seconds)
    if not run.num_ok:
        raise LoadFailed(f"none of {len(run.rows)} requests ended OK, {paradigm}")
    page = counted_since(hop, before, run)
    labels = {"paradigm": paradigm, "rpc": run.measured.rpc}
    duration = page.histogram("gen_ai_server_request_duration_seconds", code="OK", **labels)
    residual = page.histogram("tandem_phase_seconds", paradigm=paradigm, phase="residual")
    found = {
        "per_second": run.per_second,
        "miscounted": abs(page.total("tandem_requests_total", **labels) - len(run.rows)),  # whatever their end
        "residual_share": residual.quantile(0.5) / duration.quantile(0.5),
    }
    if isinstance(load, OpenLoop):
        found["delivered"] = run.delivered_share()
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        client, clock = run.quantile(share), duration.quantile(share)
        found |= {f"client_{name}_ms": client * 1e3, f"prometheus_{name}_ms": clock * 1e3}
        found[f"{name}_error"] = clock / client - 1
    return found
