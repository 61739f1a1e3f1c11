"""What a fit says: the questions and the answers of fits and predictions, and how good these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tandem.measure.formats import number, ranged, seconds
from tandem.measure.report.sentences.audits import LOCAL
from tandem.measure.report.sentences.contest import contest
from tandem.measure.results.crossover import (
    BreakEven,
    Capacity,
    Crossover,
    FittedCurve,
    FittedService,
    TextIllustration,
)
from tandem.measure.statistics.curve import curve_of
from tandem.measure.studies.crossover.prediction import is_met, met_and_missed

METHOD = (
    "Fitted on open loops of one-image requests whose rate climbs from little to the most that came out of a closed"
    " loop, both paradigms in turn. Not on closed loops: their callers come back together, and requests that come in"
    " bunches are handled, and drawn, with less effort than those that come one by one, as under real load.",
    "Each run is cut into ten slices of time; fits are relative least squares over the slices' means, without negative"
    " parameters; a knee is taken where it lowers the corrected Akaike criterion.",
    "Intervals: 95 %, percentile bootstrap over slices within each run, shape and knee kept. They tell how steady the"
    " machine was within this run, not what another day would bring.",
    "t_step and t_batch over the batch as the backend told it; t0, all the rest that the client waited, over the"
    " requests in flight.",
    "Prediction: Poisson arrivals at a flow-equivalent server (Chandy, Herzog and Woo, 1975), simulated. All that are"
    " in, up to the closed loop's callers, go on alike, at the pace of the whole time fitted for as many in flight."
    " Capacity: highest rate with 99 of 100 within the objective.",
    "Check: open loops at shares of the predicted capacity, and at the weaker's rates, not used in the fit; the"
    " prediction is for their very arrivals.",
)

_NOTHING = 0.005  # of a prediction: a smaller error is written 0%


@dataclass(frozen=True)
class Answer:
    """A question and its answer. `key` names the question for programs."""

    key: str
    asked: str
    text: str


def answers(found: Crossover) -> tuple[Answer, ...]:
    """Return what was measured, and of what was fitted that whose fits are good. Predictions are none: they stand with
    their check.
    """
    if len(found.capacities) < 2:
        return ()
    told = [
        Answer("p50", "At equal load, which of the two is faster, by the median?", _latency("p50", found.capacities)),
        Answer("p99", "And by p99?", _latency("p99", found.capacities)),
        Answer("capacity", "How much load does each carry within the objective?", _capacity(found.capacities)),
        Answer("cost", "Which of the two costs less CPU an image?", _cost(found)),
    ]
    sequential, parallel = found.services
    if all(curve.is_good for curve in (sequential.unit, sequential.rest, parallel.whole)):
        told.append(Answer("length", "At which length would sequential break even?", _length(found)))
    if found.text is not None and found.text.unit.is_good:
        told.append(Answer("text", "And a language model, whose length is free?", _text(parallel, found.text)))
    return tuple(told)


def _latency(quantile: str, capacities: Sequence[Capacity]) -> str:
    """Return who was faster in the held-out runs, at the rates that both carried within the objective."""
    first, second = ({run.rate_per_second: run for run in capacity.held_out if is_met(run)} for capacity in capacities)
    rows = []
    for rate in sorted(first.keys() & second.keys()):
        values = [getattr(runs[rate], f"measured_{quantile}_seconds") for runs in (first, second)]
        if None not in values:
            rows.append((rate, values[0] / values[1]))
    if not rows:
        return "No rate was measured at which both met the objective."
    return contest([rate for rate, _ in rows], [ratio for _, ratio in rows], "{} images/s")


def _capacity(capacities: Sequence[Capacity]) -> str:
    told = [
        f"{each.paradigm} {bracket(each.measured_low_per_second, each.measured_high_per_second)}"
        for each in capacities
        if (each.measured_low_per_second, each.measured_high_per_second) != (None, None)
    ]
    if not told:
        return "Not known: no held-out run was valid."
    return f"Measured, with p99 within {seconds(capacities[0].slo_seconds)}: {', '.join(told)}."


def _length(found: Crossover) -> str:
    parts = ", ".join(_break_even(each, *found.services) for each in found.break_even)
    return f"The sequential model takes {found.services[0].num_steps:.0f} steps an image. To break even {parts}."


def _break_even(found: BreakEven, sequential: FittedService, parallel: FittedService) -> str:
    callers = found.num_in_flight
    if found.num_steps.value < 1:
        return (
            f"at {callers} in flight no length would do, as what it spends around its steps (t0"
            f" {seconds(curve_of(sequential.rest)(callers))}) leaves no time for one within parallel's whole"
            f" {seconds(curve_of(parallel.whole)(callers))}"
        )
    return f"at {callers} in flight it could take {ranged(found.num_steps, number)}"


def _cost(found: Crossover) -> str:
    costs = found.costs
    if not costs:
        return "Not known here; `tandem bench compare` measures it, where the servers tell their CPU time."
    ratios = [each.sequential_cpu_seconds / each.parallel_cpu_seconds for each in costs]
    text = contest([float(each.concurrency) for each in costs], ratios, "{} in flight")
    ends = [
        f"{seconds(each.sequential_cpu_seconds)} against {seconds(each.parallel_cpu_seconds)} of CPU an image at"
        f" {each.concurrency}"
        for each in (costs[0], costs[-1])
    ]
    return f"{text} {ends[0]}, {ends[1]}."


def _text(parallel: FittedService, text: TextIllustration) -> str:
    one, longest = text.unit.points[0], text.lengths[-1]
    images = parallel.most_per_second.value * one.measured_seconds
    return (
        f"Another workload, so no contest: {text.model} takes {seconds(one.measured_seconds)} a token at a batch of"
        f" {number(one.x)}; in the time of one token the parallel model, busy, draws {number(images)} images. t0 + L *"
        f" t_step(b) is {abs(longest.relative_residual):.0%} off at L = {longest.length:.0f}."
    )


def fit_verdict(curve: FittedCurve) -> str:
    """Return whether a fit is good."""
    worst = max(curve.points, key=lambda point: abs(point.relative_residual))
    off, side = f"{abs(worst.relative_residual):.0%}", "above" if worst.relative_residual > 0 else "below"
    if curve.is_good:
        return f"good: nowhere more than {off} off"
    return (
        f"POOR: at {number(worst.x)} ({curve.x}) the fit is {off} {side} what was measured; whatever rests on this"
        " curve is no surer than that"
    )


def capacity_verdict(capacity: Capacity) -> str:
    """Return the capacity that was predicted, and what the held-out runs say of that."""
    low, high = capacity.measured_low_per_second, capacity.measured_high_per_second
    text = f"predicted {number(capacity.predicted_per_second.value)}/s, "
    if low is None and high is None:
        return text + "not checked: no valid held-out run"
    text += f"measured {bracket(low, high)}: {_check(capacity.predicted_per_second.value, low, high)}"
    met, missed = met_and_missed(capacity.held_out)
    if met and missed and max(met) >= min(missed):
        text += f"; the machine was not steady: met at {number(max(met))}/s, missed at {number(min(missed))}/s"
    return text


def _check(predicted: float, low: float | None, high: float | None) -> str:
    """Return whether a prediction holds, and how far off it is, relative to what was measured; one end is known."""
    if high is not None and predicted >= high:
        return f"REFUTED, {_off(predicted / high - 1, None if low is None else predicted / low - 1)} too high"
    if low is not None and predicted < low:
        return f"REFUTED, {_off(1 - predicted / low, None if high is None else 1 - predicted / high)} too low"
    if low is None:
        return "not refuted, and not borne out: no rate met the objective"
    low_error = "more was not tried" if high is None else f"at most {1 - predicted / high:.0%} too low"
    return f"holds: at most {predicted / low - 1:.0%} too high, {low_error}"


def _off(least: float, most: float | None) -> str:
    """Return a range of errors; the far end of what was measured on an unsteady machine says nothing."""
    is_known = most is not None and most <= 1
    if least < _NOTHING:
        return f"by up to {most:.0%}" if is_known else "by an unknown amount"
    return f"by {least:.0%} to {most:.0%}" if is_known else f"by {least:.0%} or more"


def bracket(low: float | None, high: float | None) -> str:
    """Return where a capacity lies."""
    if low is None or high is None:
        return f"at least {number(low)}/s" if low is not None else f"below {number(high or 0.0)}/s"
    return f"between {number(low)} and {number(high)}/s"


def caveats(found: Crossover) -> Iterator[str]:
    """Yield what a reader has to know."""
    if found.is_local:
        yield LOCAL
    for service in found.services:
        for name, curve in (("unit", service.unit), ("t0", service.rest), ("whole", service.whole)):
            if not curve.is_good:
                yield f"{service.paradigm}, {name}: {fit_verdict(curve)}"
