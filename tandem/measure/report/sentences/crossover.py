"""What a fit says: the questions and the answers of fits and predictions, and how good these are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tandem.measure.formats import number, ranged, seconds
from tandem.measure.report.sentences.contest import WINNERS, contest
from tandem.measure.results.crossover import (
    BreakEven,
    Capacity,
    Crossover,
    FittedCurve,
    FittedService,
    Predicted,
    TextIllustration,
)
from tandem.measure.statistics.curve import curve_of
from tandem.measure.studies.crossover.prediction import met_and_missed

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
LOCAL = "Generator and servers shared this machine's cores: what the generator took, the servers did not have."
# Of the measured capacity: a prediction that is further off is called poor.
MAX_ERROR = 0.15


@dataclass(frozen=True)
class Answer:
    """A question and its answer. `key` names the question for programs."""

    key: str
    asked: str
    text: str


def answers(found: Crossover) -> tuple[Answer, ...]:
    """Return all that there are; none of a fit that did not go to its end."""
    if len(found.capacities) < 2:
        return ()
    told = [
        Answer("p50", _LATENCY_ASKED.format("median"), _latency("p50", found.predictions)),
        Answer("p99", _LATENCY_ASKED.format("p99"), _latency("p99", found.predictions)),
        Answer("throughput", "Which of the two carries more images a second?", _throughput(found)),
        Answer("capacity", "How much load does each carry within the objective?", _capacity(found.capacities)),
        Answer("batch", "At which number of requests in flight does parallel win on latency?", _batch(found)),
        Answer("length", "At which length would sequential break even?", _length(found)),
        Answer("cost", "Which of the two costs less CPU an image?", _cost(found)),
    ]
    if found.text is not None:
        told.append(Answer("text", "And a language model, whose length is free?", _text(found.services[1], found.text)))
    return tuple(told)


_LATENCY_ASKED = "At which load does parallel win on {} latency?"


def _latency(quantile: str, predictions: Sequence[Predicted]) -> str:
    rows = [
        (each.rate_per_second, *(getattr(each, f"{name}_{quantile}_seconds") for name in ("sequential", "parallel")))
        for each in predictions
    ]
    both = [(rate, first / second) for rate, first, second in rows if first is not None and second is not None]
    text = contest([rate for rate, _ in both], [ratio for _, ratio in both], "{} images/s") if both else ""
    for place, winner in ((2, True), (1, False)):
        alone = [row[0] for row in rows if row[place] is not None and row[3 - place] is None]
        if alone:
            text += (
                f" At {number(min(alone))} to {number(max(alone))} images/s only {WINNERS[winner].lower()} keeps up."
            )
    return text.strip()


def _throughput(found: Crossover) -> str:
    first, second = (each.most_per_second for each in found.services)
    ratio = second.value / first.value
    return (
        f"{WINNERS[ratio > 1.0]} carries the most: sequential {ranged(first, number)} images/s, parallel"
        f" {ranged(second, number)} images/s, a factor of {number(max(ratio, 1 / ratio))}, with up to"
        f" {found.settings.concurrency} requests in flight."
    )


def _capacity(capacities: Sequence[Capacity]) -> str:
    first, second = (each.predicted_per_second for each in capacities)
    slo = f"p99 within {seconds(capacities[0].slo_seconds)}"
    if not first.value or not second.value:
        can = [each.paradigm for each in capacities if each.predicted_per_second.value]
        return f"With {slo}, only {can[0]} carries any load." if can else f"Neither meets {slo} at any load."
    ratio = second.value / first.value
    return (
        f"With {slo}, {WINNERS[ratio > 1.0].lower()} carries more: sequential {ranged(first, number)} images/s,"
        f" parallel {ranged(second, number)} images/s (predicted), a factor of {number(max(ratio, 1 / ratio))}."
    )


def _batch(found: Crossover) -> str:
    callers = [float(each) for each in range(1, found.settings.concurrency + 1)]
    sequential, parallel = (curve_of(each.whole) for each in found.services)
    return contest(callers, [sequential(each) / parallel(each) for each in callers], "{} in flight")


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
    low, high, error = capacity.measured_low_per_second, capacity.measured_high_per_second, capacity.error
    text = f"predicted {number(capacity.predicted_per_second.value)}/s, "
    if error is None:
        return text + "not checked: no valid held-out run"
    text += f"measured {bracket(low, high)}: "
    if error == 0.0:
        text += "in keeping"
    else:
        poor = ", a POOR prediction" if abs(error) > MAX_ERROR else ""
        text += f"{abs(error):.0%} {'too high' if error > 0 else 'too low'}{poor}"
    met, missed = met_and_missed(capacity.held_out)
    if met and missed and max(met) >= min(missed):
        text += f"; the machine was not steady: met at {number(max(met))}/s, missed at {number(min(missed))}/s"
    return text


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
