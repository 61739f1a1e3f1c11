"""Runs of services whose curves are known: what the load generator would have recorded of them, with noise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.audit import audit, sum_audits, what_is_wrong
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.schedule.arrivals import intended_seconds
from tandem.measure.meters.header import header_of
from tandem.measure.results.crossover import Crossover, Settings
from tandem.measure.results.header import Machine
from tandem.measure.results.load import Document, Window
from tandem.measure.results.record import REPORTED, Outcome, Record, Use
from tandem.measure.scenario import PARADIGMS, ClosedLoop, Scenario, Workload
from tandem.measure.statistics.stream_results import stream_results
from tandem.measure.studies.fit.fit import FitStudy
from tandem.measure.studies.fit.service import in_flight
from tandem.measure.studies.study import ignore
from tests.unit.tandem.measure.records import Ended, Recorder
from tests.unit.tandem.measure.studies.comparison.seen import model
from tests.unit.tandem.measure.studies.fit.queueing import simulate

NAN = float("nan")

if TYPE_CHECKING:
    from tandem.measure.generator.generator import Generator

LENGTH = 49
MOST = 64
Seconds = Callable[[float], float]

MACHINE = Machine(
    cpu_model="Imagined CPU",
    num_cores=2,
    num_usable_cores=2,
    memory_bytes=2**34,
    gpus=(),
    operating_system="Imagined",
    python="CPython 3.11",
    packages={},
)


def name_of(workload: Workload) -> str:
    return workload.model or f"imagined-{workload.paradigm}"


def told_of(**seconds: float) -> tuple[float, ...]:
    """Return what servers tell of a request; what is not named is 0."""
    return tuple(seconds.get(name, 0.0) for name in REPORTED)


def in_flight_of(lives: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    table = np.array(lives, [("sent", "f8"), ("ended", "f8")])
    return in_flight(table, table)


class Imagined:
    """Both services. sequential: t0 + LENGTH * t_step(b); parallel: t0 + t_batch(b), b being all that are in flight."""

    def __init__(self, t0: Seconds, t_step: Seconds, t_batch: Seconds, noise: float = 0.02) -> None:
        self._t0 = t0
        self._units = {"sequential": t_step, "parallel": t_batch}
        self._noise = noise
        self._random = np.random.default_rng(3)
        self.is_good_generator = True

    def whole(self, workload: Workload, in_flight: float) -> float:
        steps = LENGTH if workload.paradigm == "sequential" else 1
        return self._t0(in_flight) + steps * self._units[workload.paradigm](in_flight)

    address = "127.0.0.1:1"

    def check_not_stopped(self) -> None:
        pass

    async def run(self, scenario: Scenario, **_: Any) -> RunResult:
        """Return a run as tandem.measure.generator.generator.Generator does."""
        await asyncio.sleep(0)
        recorder = Recorder(1)
        workload = scenario.workloads[0]
        is_closed = isinstance(scenario.load, ClosedLoop)
        lives = self._closed(scenario) if is_closed else self._open(scenario)
        for number, ((sent, ended), batch) in enumerate(zip(lives, in_flight_of(lives), strict=True)):
            recorder.ended(self._row(workload, number, sent, ended, float(batch)), ())
        return self._run_result(scenario, recorder.record(Use(0.1, scenario.duration_seconds or 1.0, 100)))

    def _closed(self, scenario: Scenario) -> list[tuple[float, float]]:
        """Return (sent, ended) of callers, each of which asks again when it has its answer."""
        load, workload = scenario.load, scenario.workloads[0]
        assert isinstance(load, ClosedLoop)
        rows = []
        for _ in range(load.concurrency):
            now = 0.0
            while now < (scenario.duration_seconds or 1.0):
                seconds = self.whole(workload, load.concurrency) * self._blur()
                rows.append((now, now + seconds))
                now += seconds
        return rows

    def _open(self, scenario: Scenario) -> list[tuple[float, float]]:
        """Return (sent, ended) of requests that all go on at the pace of as many as are in flight."""
        workload = scenario.workloads[0]
        arrivals = intended_seconds(scenario, scenario.load)  # type: ignore[arg-type]
        latencies = simulate((arrivals + 10.0).tolist(), lambda b: self.whole(workload, b) / LENGTH, LENGTH, MOST)
        return [(float(at), float(at + each * self._blur())) for at, each in zip(arrivals, latencies, strict=True)]

    def _blur(self) -> float:
        return float(self._random.normal(1.0, self._noise))

    def _row(self, workload: Workload, number: int, sent: float, ended: float, batch: float) -> Ended:
        length = LENGTH
        if workload.kind == "text":
            # The same moments, but for what the length changes.
            length = workload.output_tokens.parameters[number % len(workload.output_tokens.parameters)]
            ended = sent + self._t0(batch) + length * self._units["sequential"](batch)
        is_sequential = workload.paradigm == "sequential"
        unit = self._units[workload.paradigm](batch) * self._blur()
        decode, compute = ((length - 1) * unit, 0.0) if is_sequential else (0.0, unit)
        told = told_of(decode=decode, compute=compute, backend_total=decode + compute, batch_size=batch)
        num_outputs = length if is_sequential else 1
        return Ended(number, 0, Outcome.OK, 0, 1, num_outputs, 1, 1, NAN, NAN, True, sent, sent, ended, ended, told)

    def _run_result(self, scenario: Scenario, record: Record) -> RunResult:
        workloads = tuple(workload.model_copy(update={"model": name_of(workload)}) for workload in scenario.workloads)
        scenario = scenario.model_copy(update={"workloads": workloads})
        seconds = scenario.duration_seconds or 1.0
        streams = stream_results(scenario, record, seconds)
        verdict = audit(record, streams, is_partial=False)
        own = verdict.model_copy(update={"valid": self.is_good_generator})
        audits = sum_audits([own], 0, what_is_wrong("this run", own))
        models = [model(workload.paradigm or "", name_of(workload), num_classes=10) for workload in workloads]
        document = Document(
            **header_of("127.0.0.1:1", models, datetime.now(UTC), audits) | {"machine": MACHINE},
            scenario=scenario,
            window=Window(
                warm_up_seconds=scenario.warm_up_seconds, seconds=seconds, drain_seconds=0.0, num_warm_up_requests=0
            ),
            streams=streams,
            audit=own,
        )
        return RunResult(document, record)


def usual() -> Imagined:
    """Return services like those of the matched pair."""
    return Imagined(lambda _: 0.004, lambda b: 0.001 + 0.0001 * b, lambda b: 0.0005 + 0.0005 * b)


async def fit(
    services: Imagined, comparison: Any = None, keep: Any = ignore, models: Any = None, **settings: Any
) -> Crossover:
    """Return what a fit says of the services."""
    asked = Settings.model_validate({"climb_seconds": 10.0, "trial_seconds": 5.0, **settings})
    runs = AuditedRuns(most_attempts=1)
    source, names = cast("Generator", services), models or dict.fromkeys(PARADIGMS, "")
    study = FitStudy(source=source, models=names, settings=asked, keep=keep, audited_runs=runs)
    await study.measure()
    return study.document(comparison)
