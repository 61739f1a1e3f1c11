"""The clock before real models: what /metrics says of requests whose times the client knows exactly."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.harness.figures import Figures
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
    def num_counted(self) -> int:
        """How many requests the metrics have counted, whatever their end."""
        return int(self.page.total("tandem_requests_total", **self._labels))

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
        found = {
            "per_second": self.run.per_second,
            "miscounted": float(abs(self.num_counted - len(self.run.rows))),
            "residual_share": residual.quantile(0.5) / self.duration.quantile(0.5),
        }
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            client, clock = self.run.quantile(share), self.duration.quantile(share)
            found |= {f"client_{name}_ms": client * 1e3, f"prometheus_{name}_ms": clock * 1e3}
            found[f"{name}_error"] = clock / client - 1
        return found


def warm_up(tester: LoadTester, hop: Service) -> None:
    """Send what is not measured, and wait for its log entries: one that came later would count for the first load."""
    before = read(f"127.0.0.1:{hop.http_port}")
    loads = {one.rpc: tester.warm_up(one, MANY, duration_seconds=1.0) for one in WORKLOADS.values()}
    counted_since(hop, before, loads)


def measure_round(name: str, tester: LoadTester, hop: Service, seconds: float, figures: Figures) -> None:
    """Measure each paradigm with one caller, with many, and in open loop at shares of what those reached."""
    seen: dict[tuple[str, str], Seen] = {}
    for paradigm in WORKLOADS:
        seen[LONE, paradigm] = _measure(tester, hop, paradigm, ALONE, seconds)
        seen[CALLERS, paradigm] = _measure(tester, hop, paradigm, MANY, 2 * seconds)
    for situation, share in LOADS.items():
        for paradigm in WORKLOADS:
            load = OpenLoop(rate_per_second=share * seen[CALLERS, paradigm].run.per_second)
            found = seen[situation, paradigm] = _measure(tester, hop, paradigm, load, 3 * seconds)
            figures.add(f"{paradigm}.{situation}.delivered", name, found.run.delivered_share())
    for (situation, paradigm), found in seen.items():
        for figure, value in found.figures().items():
            figures.add(f"{paradigm}.{situation}.{figure}", name, value)
    for situation in SITUATIONS:
        _add_ratio(figures, name, situation, seen[situation, "sequential"], seen[situation, "parallel"])


def _measure(tester: LoadTester, hop: Service, paradigm: str, load: ClosedLoop | OpenLoop, seconds: float) -> Seen:
    """Run the load; read the metrics before it, and behind it once they have counted every request."""
    before = read(f"127.0.0.1:{hop.http_port}")
    run = tester.run(f"{paradigm}, {load}", WORKLOADS[paradigm], load, duration_seconds=seconds)
    if not run.num_ok:
        raise LoadFailed(f"none of {len(run.rows)} requests ended OK, {paradigm}")
    return Seen(run, counted_since(hop, before, {WORKLOADS[paradigm].rpc: len(run.rows)}), paradigm)


def _add_ratio(figures: Figures, name: str, situation: str, sequential: Seen, parallel: Seen) -> None:
    """Add how many times as long an image takes in sequence, at p50, by the clients and by the metrics."""
    by_client = sequential.run.quantile(0.5) / parallel.run.quantile(0.5)
    by_metrics = sequential.duration.quantile(0.5) / parallel.duration.quantile(0.5)
    figures.add(f"ratio.{situation}.client", name, by_client)
    figures.add(f"ratio.{situation}.prometheus", name, by_metrics)
    figures.add(f"ratio.{situation}.error", name, by_metrics / by_client - 1)
