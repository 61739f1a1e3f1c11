"""The questions, and what fits and predictions answer to each, in a plain sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.compare.document import Comparison, Point
from bench.crossover.document import Answer, Capacity, Interval, Predicted, TextIllustration
from bench.crossover.service import Service
from bench.crossover.summary import interval
from bench.crossover.wording import WINNERS, contest, factor, number

_LATENCY_ASKED = "At which load does parallel win on {} latency?"


@dataclass(frozen=True)
class Pair:
    """Both services, with as many bootstrap draws of each."""

    sequential: Service
    parallel: Service
    sequential_draws: Sequence[Service]
    parallel_draws: Sequence[Service]

    @property
    def most_callers(self) -> int:
        """Requests in flight up to which both were measured."""
        return min(self.sequential.max_batch, self.parallel.max_batch)


def answers(
    pair: Pair,
    predictions: Sequence[Predicted],
    capacities: Sequence[Capacity],
    comparison: Comparison | None,
    text: TextIllustration | None,
) -> tuple[Answer, ...]:
    """Return all there are."""
    found = [
        _latency("p50", "median", predictions),
        _latency("p99", "p99", predictions),
        _throughput(pair),
        _capacity(capacities),
        _batch(pair),
        _length(pair),
        _cost(comparison),
    ]
    return tuple(found if text is None else [*found, _text(pair, text)])


def _latency(question: str, name: str, predictions: Sequence[Predicted]) -> Answer:
    rows = [(each.rate_per_second, *_latencies(each, question)) for each in predictions]
    both = [(rate, first / second) for rate, first, second in rows if first is not None and second is not None]
    text = contest([rate for rate, _ in both], [ratio for _, ratio in both], "{} images/s") if both else ""
    for place, winner in ((2, True), (1, False)):
        alone = [row[0] for row in rows if row[place] is not None and row[3 - place] is None]
        if alone:
            text += (
                f" At {factor(min(alone))} to {factor(max(alone))} images/s only {WINNERS[winner].lower()} keeps up."
            )
    return Answer.model_validate({"question": question, "asked": _LATENCY_ASKED.format(name), "text": text.strip()})


def _latencies(each: Predicted, question: str) -> tuple[float | None, float | None]:
    if question == "p50":
        return each.sequential_p50_seconds, each.parallel_p50_seconds
    return each.sequential_p99_seconds, each.parallel_p99_seconds


def _throughput(pair: Pair) -> Answer:
    own = [
        interval(service.most_per_second, [each.most_per_second for each in draws])
        for service, draws in ((pair.sequential, pair.sequential_draws), (pair.parallel, pair.parallel_draws))
    ]
    ratio = own[1].value / own[0].value
    text = (
        f"{_winner(ratio)} carries the most: sequential {_shown(own[0])} images/s, parallel {_shown(own[1])} images/s,"
        f" a factor of {factor(max(ratio, 1 / ratio))}, with up to {pair.most_callers} requests in flight."
    )
    return Answer(question="throughput", asked="Which of the two carries more images a second?", text=text)


def _capacity(capacities: Sequence[Capacity]) -> Answer:
    first, second = capacities
    rates = [each.predicted_per_second for each in (first, second)]
    slo = f"p99 within {first.slo_seconds * 1e3:.3g} ms"
    if not rates[0].value or not rates[1].value:
        can = [each.paradigm for each in capacities if each.predicted_per_second.value]
        text = f"With {slo}, only {can[0]} carries any load." if can else f"Neither meets {slo} at any load."
    else:
        ratio = rates[1].value / rates[0].value
        text = (
            f"With {slo}, {_winner(ratio).lower()} carries more: sequential {_shown(rates[0])} images/s, parallel"
            f" {_shown(rates[1])} images/s (predicted), a factor of {factor(max(ratio, 1 / ratio))}."
        )
    return Answer(question="capacity", asked="How much load does each carry within the objective?", text=text)


def _batch(pair: Pair) -> Answer:
    callers = [float(number) for number in range(1, pair.most_callers + 1)]
    ratios = [pair.sequential.whole(each) / pair.parallel.whole(each) for each in callers]
    text = contest(callers, ratios, "{} in flight")
    return Answer(
        question="batch", asked="At which number of requests in flight does parallel win on latency?", text=text
    )


def break_even_length(sequential: Service, parallel: Service, callers: float) -> float:
    """Return the steps that the sequential model could take in the time that the parallel one takes for all of it."""
    return (parallel.whole(callers) - sequential.rest(callers)) / sequential.unit(callers)


def _length(pair: Pair) -> Answer:
    needed = pair.sequential.num_steps
    parts = [_length_at(pair, float(callers)) for callers in dict.fromkeys((1, pair.most_callers))]
    text = f"The sequential model takes {needed} steps an image. To break even {', '.join(parts)}."
    return Answer(question="length", asked="At which length would sequential break even?", text=text)


def _length_at(pair: Pair, callers: float) -> str:
    value = break_even_length(pair.sequential, pair.parallel, callers)
    draws = [
        break_even_length(first, second, callers)
        for first, second in zip(pair.sequential_draws, pair.parallel_draws, strict=True)
    ]
    if value < 1:
        return (
            f"at {callers:.0f} in flight no length would do, as what it spends around its steps (t0"
            f" {pair.sequential.rest(callers) * 1e3:.3g} ms) leaves no time for one within parallel's whole"
            f" {pair.parallel.whole(callers) * 1e3:.3g} ms"
        )
    return f"at {callers:.0f} in flight it could take {_shown(interval(value, draws))}"


def _cost(comparison: Comparison | None) -> Answer:
    asked = "Which of the two costs less CPU an image?"
    if comparison is None:
        return Answer(question="cost", asked=asked, text="Not measured here; `tandem bench compare` measures it.")
    costs = {(each.paradigm, each.delivery): _costs(each.curve) for each in comparison.ways}
    first, second = costs.get(("sequential", "unary"), {}), costs.get(("parallel", "unary"), {})
    both = sorted(first.keys() & second.keys())
    if not both:
        return Answer(question="cost", asked=asked, text="Not measured: the servers' CPU time was not to be had.")
    text = contest([float(each) for each in both], [first[each] / second[each] for each in both], "{} in flight")
    ends = [
        f"{first[each] * 1e3:.3g} against {second[each] * 1e3:.3g} CPU-milliseconds an image at {each}"
        for each in (both[0], both[-1])
    ]
    return Answer(question="cost", asked=asked, text=f"{text} {ends[0]}, {ends[1]}.")


def _costs(curve: Sequence[Point]) -> dict[int, float]:
    """Return the servers' CPU seconds an image, by callers, where they are known."""
    return {
        point.concurrency: point.cpu_seconds_per_image.servers.value
        for point in curve
        if point.cpu_seconds_per_image.servers is not None
    }


def _text(pair: Pair, text: TextIllustration) -> Answer:
    one, longest = text.unit.points[0], text.lengths[-1]
    images = pair.parallel.most_per_second * one.measured_seconds
    words = (
        f"Other work, so no contest: {text.model} takes {one.measured_seconds * 1e3:.3g} ms a token at a batch of"
        f" {one.x:.3g}; in the time of one token the parallel model, busy, draws {factor(images)} images. t0 + L *"
        f" t_step(b) is {abs(longest.relative_residual):.0%} off at L = {longest.length:.0f}."
    )
    return Answer(question="text", asked="And a language model, whose length is free?", text=words)


def _winner(ratio: float) -> str:
    return WINNERS[ratio > 1.0]


def _shown(found: Interval) -> str:
    return f"{number(found.value)} ({number(found.low)} to {number(found.high)})"
