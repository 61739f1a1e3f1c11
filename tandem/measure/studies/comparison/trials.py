"""Trials: one load, in one mode, so many callers, each of which asks again when it has its image. Which scenario that
is; from its result to what each request saw; and from the trials of all rounds to the points of a curve, to
contrasts of two modes in the rounds that both were in, and to a capacity. Sends nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from tandem.measure.formats import quantity
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.sending.statuses import INTERNAL
from tandem.measure.results.comparison import Capacity, Contrast, Metric, Point
from tandem.measure.results.load import StreamResult
from tandem.measure.results.record import CODE_NAMES, REPLY, Outcome, Record, merge
from tandem.measure.scenario import Scenario, closed_loop
from tandem.measure.statistics.stream_results import stream_results
from tandem.measure.studies.comparison.modes import DEADLINE_SECONDS, Mode
from tandem.measure.studies.study import Figure, pooled_quantile, ratio_of_sums

# What a load draws from: the classes and seeds of each are its own.
_SEQUENTIAL, _PARALLEL, _UNCOUNTED, _THIRD_PARTY = range(1, 5)
_DRAIN_SECONDS = DEADLINE_SECONDS + 5.0


def uncounted(mode: Mode, concurrency: int, seed: int, num_requests: int) -> Scenario:
    """Return requests of so many callers, which nobody counts."""
    return _scenario(mode, concurrency, seed, _UNCOUNTED, num_requests=num_requests)


def steady(mode: Mode, concurrency: int, seconds: float, seed: int) -> Scenario:
    """Return a trial of so many callers."""
    source = _THIRD_PARTY if mode.is_foreign else _SEQUENTIAL if mode.paradigm == "sequential" else _PARALLEL
    return _scenario(mode, concurrency, seed, source, duration_seconds=seconds, keep_replies=not mode.is_text)


def _scenario(mode: Mode, concurrency: int, seed: int, source: int, **values: Any) -> Scenario:
    values |= {"num_places": mode.model.num_classes or None, "drain_seconds": _DRAIN_SECONDS}
    own_seed = int(np.random.SeedSequence((seed, source)).generate_state(1, np.uint64)[0] >> 1)
    return closed_loop(mode.workload, concurrency, seed=own_seed, **values)


@dataclass(frozen=True)
class Trial:
    """A trial that is over, and what it used; None where that was not measured."""

    mode: Mode
    concurrency: int
    record: Record
    seconds: float
    gateway_cpu_seconds: float | None
    backend_cpu_seconds: float | None
    client_cpu_seconds: float

    @property
    def failure(self) -> str:
        """Why nothing was measured; empty if a request ended well."""
        rows = self.record.requests
        if np.any(rows["outcome"] == Outcome.OK):
            return ""
        load = f"{self.mode.name}, {quantity(self.concurrency, 'caller')}"
        if not len(rows):
            return f"{load}: the trial was over before the first request was sent; did this machine pause?"
        return f"{load}: none of {quantity(len(rows), 'request')} ended well"


def trial_of(mode: Mode, concurrency: int, run_result: RunResult) -> Trial:
    """Return the trial of a closed loop without warm-up, which was metered; its seconds begin with the first request
    and end with the last reply. The replies are no longer needed.
    """
    record = run_result.record._replace(replies=np.array([], REPLY), reply_bytes=np.array([], np.uint8))
    rows = record.requests
    gateway, backend = (
        None if before is None or after is None else after - before
        for before, after in zip(*run_result.readings, strict=True)
    )
    seconds = float(np.max(rows["ended"]) - np.min(rows["intended"])) if len(rows) else 0.0
    record = whole_texts(record) if mode.is_foreign else record
    return Trial(mode, concurrency, record, seconds, gateway, backend, run_result.cpu_seconds)


def whole_texts(record: Record) -> Record:
    """Return the record of a third-party server with an error for each text that is shorter than was asked for.

    A server that ends early is no faster, and a text without a token has no first output.
    """
    requests, texts = record.requests.copy(), Counter(record.error_texts)
    is_short = (requests["outcome"] == Outcome.OK) & (requests["num_outputs"] < requests["length"])
    for row in requests[is_short]:
        came = quantity(int(row["num_outputs"]), "token" if row["is_counted"] else "message")
        text = f"{came} came instead of {quantity(int(row['length']), 'token')}"
        texts[int(row["workload"]), CODE_NAMES[INTERNAL], text] += 1
    requests["outcome"][is_short], requests["code"][is_short] = Outcome.ERROR, INTERNAL
    return record._replace(requests=requests, error_texts=texts)


_METRICS: tuple[Metric, ...] = get_args(Metric)
_SPENDERS = {"cpu_seconds_per_image": ("gateway", "backend")} | {
    f"{name}_cpu_seconds_per_image": (name,) for name in ("gateway", "backend", "client")
}
_FIGURES = (*_METRICS, "first_output_p99_seconds", *list(_SPENDERS)[1:], "trial_seconds")
"""Those of a point."""


class Series:
    """Trials with at least one image each, by the numbers of their rounds, in that order."""

    def __init__(self, by_round: Mapping[int, Trial]) -> None:
        self.by_round, self.trials = by_round, list(by_round.values())
        rows = [trial.record.requests for trial in self.trials]
        self._rows = [requests[requests["outcome"] == Outcome.OK] for requests in rows]
        self.num_images = [len(good) for good in self._rows]

    def figure(self, name: str) -> Figure | None:
        """Return the figure that tandem.measure.results.comparison calls so; None if it can't be told."""
        seconds = [trial.seconds for trial in self.trials]
        if name == "images_per_second":
            return ratio_of_sums(self.num_images, seconds)
        if name == "trial_seconds":
            return ratio_of_sums(seconds, [1.0] * len(seconds))
        if name in _SPENDERS:
            fields = [f"{spender}_cpu_seconds" for spender in _SPENDERS[name]]
            rounds = [[getattr(trial, field) for field in fields] for trial in self.trials]
            is_known = not any(value is None for values in rounds for value in values)
            return ratio_of_sums([sum(values) for values in rounds], self.num_images) if is_known else None
        end = "ended" if name.startswith("latency") else "first_output"
        return pooled_quantile([rows[end] - rows["intended"] for rows in self._rows], 0.99 if "p99" in name else 0.5)


def contrasts_of(names: tuple[str, str], series: Sequence[Series], confidence: float) -> Iterator[Contrast]:
    """Yield what two modes of one concurrency say in the rounds that both were in."""
    both = [number for number in series[0].by_round if number in series[1].by_round]
    if not both:
        return
    samples = [Series({number: one.by_round[number] for number in both}) for one in series]
    for metric in _METRICS:
        first, second = (sample.figure(metric) for sample in samples)
        if first is not None and second is not None:
            yield Contrast(
                first=names[0],
                second=names[1],
                concurrency=series[0].trials[0].concurrency,
                metric=metric,
                first_value=first.total,
                second_value=second.total,
                difference=first.minus(second, confidence),
                ratio=first.over(second, confidence),
            )


def point(mode: Mode, series: Series, confidence: float) -> Point:
    """Return the point of a curve."""
    record = merge([trial.record for trial in series.trials])
    concurrency, trials = series.trials[0].concurrency, series.trials
    result = stream_result(mode, record, concurrency)
    figures = {name: figure.repeated(confidence) for name in _FIGURES if (figure := series.figure(name)) is not None}
    return Point(
        concurrency=concurrency,
        num_images=sum(series.num_images),
        num_errors=len(record.requests) - sum(series.num_images),
        figures=figures,
        latency=result.latency,
        first_output=result.first_output,
        phases=result.phases,
        batch_size=result.batch_size,
        client_cpu_share=sum(one.client_cpu_seconds for one in trials) / sum(one.seconds for one in trials),
    )


def stream_result(mode: Mode, record: Record, concurrency: int = 1) -> StreamResult:
    """Return what the load generator makes of a record; its rates are of no use here, as times of trials overlap."""
    scenario = closed_loop(mode.workload, concurrency, num_requests=1)
    return stream_results(scenario, record, np.inf)[0]


def capacity_of(curve: Sequence[Point], slo_seconds: float) -> Capacity:
    """Return the highest rate at which p99 stays within the objective, as closed loops, by concurrency, tell it."""
    good = []
    for point in curve:
        seconds = point.latency.seconds
        worst = seconds.p99 if seconds.p99 is not None else seconds.max  # of too few requests for a p99, all
        good += [point] if not point.num_errors and worst is not None and worst <= slo_seconds else []
    best = max(good, key=lambda point: point.figures["images_per_second"].value, default=None)
    return Capacity(
        slo_seconds=slo_seconds,
        images_per_second=best.figures["images_per_second"].value if best else None,
        concurrency=best.concurrency if best else None,
        is_lower_bound=len(curve) > 0 and curve[-1] in good,
    )
