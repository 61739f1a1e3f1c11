"""The same requests, as the client and as the gateway's metrics have seen them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.harness.run import Run
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.meters.metrics_page import Histogram, Page
from tandem.measure.statistics.quantiles import nearest_rank

_RPC = {"parallel": "Sample", "sequential": "Generate"}
_SHARES = {"p50": 0.5, "p99": 0.99}
_PHASE = "tandem_phase_seconds"
RESIDUAL = "residual"


@dataclass(frozen=True)
class Seen:
    """`page` holds what was counted while the client's `run` went on, and nothing else of its paradigm."""

    run: Run
    page: Page
    paradigm: str

    @property
    def num_counted(self) -> int:
        """How many requests the metrics have counted, whatever their end."""
        return int(self.page.total("tandem_requests_total", paradigm=self.paradigm, rpc=_RPC[self.paradigm]))

    @cached_property
    def duration(self) -> Histogram:
        """Of the requests that ended OK."""
        return self._histogram("gen_ai_server_request_duration_seconds", code="OK")

    @cached_property
    def first_output(self) -> Histogram:
        return self._histogram("tandem_time_to_first_output_seconds")

    def figures(self) -> dict[str, float]:
        """Return all that one run says of the clock; NaN for what it does not tell."""
        return {
            "per_second": self.run.per_second,
            "client_is_real_time": float(self.run.is_real_time),
            "miscounted": float(abs(self.num_counted - len(self.run.status))),
            "residual_share": self._residual_share(),
            "outside_backend_share": self._outside_backend_share(),
            "client_over_proxy": self.run.quantile(0.5) / self.duration.quantile(0.5) - 1,
            **self._quantiles(),
            **{f"phase.{name}": share for name, share in self._phases().items()},
        }

    def _quantiles(self) -> dict[str, float]:
        found = {}
        for name, share in _SHARES.items():
            client, clock = self.run.quantile(share), self.duration.quantile(share)
            first, first_clock = nearest_rank(self.run.first_seconds, share), self.first_output.quantile(share)
            found[f"client_{name}_ms"] = client * 1e3
            found[f"prometheus_{name}_ms"] = clock * 1e3
            found[f"{name}_error"] = clock / client - 1
            found[f"first_output_{name}_error"] = first_clock / first - 1
        return found

    def _residual_share(self) -> float:
        residual = self.page.histogram(_PHASE, paradigm=self.paradigm, phase=RESIDUAL).quantile(0.5)
        return residual / self.duration.quantile(0.5)

    def _phases(self) -> dict[str, float]:
        """Return each phase's share of all the seconds of these requests."""
        names = self.page.labels(f"{_PHASE}_sum", "phase")
        sums = {each: self.page.total(f"{_PHASE}_sum", paradigm=self.paradigm, phase=each) for each in sorted(names)}
        whole = sum(sums.values())
        return {name: value / whole for name, value in sums.items() if value > 0}

    def _outside_backend_share(self) -> float:
        """Return what the client waited beyond the backend's total in its reply, at p50, as a share of all."""
        if not self.run.replies:
            return float("nan")
        lasts = (self.run.messages[self.run.messages > 0].cumsum() - 1).astype(int)[: self.run.num_ok]
        totals = np.array([self._total_seconds(self.run.replies[each]) for each in lasts])
        return nearest_rank(self.run.seconds - totals, 0.5) / self.run.quantile(0.5)

    def _total_seconds(self, reply: bytes) -> float:
        if self.paradigm == "parallel":
            return gan_pb2.SampleResponse.FromString(reply).timings.total_seconds
        return ar_pb2.GenerateResponse.FromString(reply).timings.total_seconds

    def _histogram(self, name: str, **labels: str) -> Histogram:
        return self.page.histogram(name, paradigm=self.paradigm, rpc=_RPC[self.paradigm], **labels)
