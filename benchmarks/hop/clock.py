"""The clock before real models: what /metrics says of requests whose times the client knows exactly."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.harness.load import LoadFailed, LoadTester, Run
from benchmarks.harness.processes import Service
from benchmarks.hop.costs import ALONE, IMAGE, IMAGES, MANY, NUM_CALLERS, counted_since
from tandem.measure.meters.metrics_page import Histogram, Page, read
from tandem.measure.scenario import ClosedLoop, OpenLoop

WORKLOADS = {"parallel": IMAGES, "sequential": IMAGE}
LONE, CALLERS = "lone", f"{NUM_CALLERS}_callers"
LOADS = {"load_50": 0.5, "load_90": 0.9, "load_100": 1.0}
SITUATIONS = (LONE, CALLERS, *LOADS)


@dataclass(frozen=True)
class Seen:
    """Requests as the client's `run` has seen them, and as `page` has: what was counted while it went on."""

    run: Run
    page: Page
    paradigm: str

    @property
    def duration(self) -> Histogram:
        """Of the requests that ended OK."""
        return self.page.histogram("gen_ai_server_request_duration_seconds", code="OK", **self._labels)

    @property
    def _labels(self) -> dict[str, str]:
        return {"paradigm": self.paradigm, "rpc": WORKLOADS[self.paradigm].rpc}

    def figures(self) -> dict[str, float]:
        """Return all that one run says of the clock; NaN for what it does not tell."""
        residual = self.page.histogram("tandem_phase_seconds", paradigm=self.paradigm, phase="residual")
        num_counted = self.page.total("tandem_requests_total", **self._labels)  # whatever their end
        found = {
            "per_second": self.run.per_second,
            "miscounted": abs(num_counted - len(self.run.rows)),
            "residual_share": residual.quantile(0.5) / self.duration.quantile(0.5),
        }
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            client, clock = self.run.quantile(share), self.duration.quantile(share)
            found |= {f"client_{name}_ms": client * 1e3, f"prometheus_{name}_ms": clock * 1e3}
            found[f"{name}_error"] = clock / client - 1
        return found


def measure(tester: LoadTester, hop: Service, seconds: float) -> dict[str, float]:
    """Measure each paradigm with one caller, with many, and in open loop at shares of what those reached."""
    seen: dict[tuple[str, str], Seen] = {}
    found = {}
    for paradigm in WORKLOADS:
        seen[LONE, paradigm] = _measure(tester, hop, paradigm, ALONE, seconds)
        seen[CALLERS, paradigm] = _measure(tester, hop, paradigm, MANY, 2 * seconds)
    for situation, share in LOADS.items():
        for paradigm in WORKLOADS:
            load = OpenLoop(rate_per_second=share * seen[CALLERS, paradigm].run.per_second)
            seen[situation, paradigm] = _measure(tester, hop, paradigm, load, 3 * seconds)
            delivered = seen[situation, paradigm].run.delivered_share()
            found[f"{paradigm}.{situation}.delivered"] = delivered
    for (situation, paradigm), each in seen.items():
        found |= {f"{paradigm}.{situation}.{figure}": value for figure, value in each.figures().items()}
    for situation in SITUATIONS:
        found |= _ratio(situation, seen[situation, "sequential"], seen[situation, "parallel"])
    return found


def _measure(tester: LoadTester, hop: Service, paradigm: str, load: ClosedLoop | OpenLoop, seconds: float) -> Seen:
    """Run the load; read the metrics before it, and behind it once they have counted every request."""
    before = read(f"127.0.0.1:{hop.http_port}")
    run = tester.run(f"{paradigm}, {load}", WORKLOADS[paradigm], load, duration_seconds=seconds)
    if not run.num_ok:
        raise LoadFailed(f"none of {len(run.rows)} requests ended OK, {paradigm}")
    return Seen(run, counted_since(hop, before, run), paradigm)


def _ratio(situation: str, sequential: Seen, parallel: Seen) -> dict[str, float]:
    """Return how many times as long an image takes in sequence, at p50, by the clients and by the metrics."""
    by_client = sequential.run.quantile(0.5) / parallel.run.quantile(0.5)
    by_metrics = sequential.duration.quantile(0.5) / parallel.duration.quantile(0.5)
    found = {"client": by_client, "prometheus": by_metrics, "error": by_metrics / by_client - 1}
    return {f"ratio.{situation}.{name}": value for name, value in found.items()}
