"""What a fit says: questions and answers, where each capacity lies, how good the fits are; tables and charts of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tandem.measure.formats import NONE, count, counted, known, milliseconds, number, ranged, seconds, share
from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Series
from tandem.measure.report.sentences.audits import LOCAL
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.crossover import Capacity, Crossover, FittedCurve, FittedService, TextIllustration, Trial
from tandem.measure.statistics.curve import curve_of
from tandem.measure.studies.fit.capacity import LEAST_REQUESTS, carried, is_met, is_telling, tried

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
    "Capacity: the highest rate of arrivals at random at which 99 of 100 images come within the objective. It is"
    " measured in open loops at steady rates, and no model of the server predicts it: by bisection until rates are a"
    " factor of 1.2 apart, and then at an end again. A trial meets the objective if p99 is at most 70 % of it"
    " and misses it if more than 1 of 100 images is late; between, it is too near to tell.",
    "The interval of a capacity (95 %) reaches from the highest rate up to which all trials met the objective to the"
    " lowest from which on all missed it. A queue that grows shows when it is as long as the objective, so the lower"
    " end is divided by 1 + objective / length of the trial. Tests simulate 220 servers of known capacity, some with"
    " pauses, and demand that 90 % of the intervals hold it. What disturbs a machine less often than once in a trial"
    " is not seen.",
    "At equal load, a faster model is named only from a factor of 3 on: at .85 of their capacity, trials of two equal"
    " servers differ by less than that in 95 of 100 cases. At lower load a smaller factor may be real, too.",
)

# What one trial a rate can tell. In simulations two equal servers (M/D/1, 350 requests each, up to .85 of their
# capacity) differ by less than this in 95 of 100 pairs of trials, in p50 and in p99.
_RESOLVED_LATENCY = 3.0
_RESOLVED_COST = 1.1
_WINNERS = {True: "parallel wins", False: "sequential wins", None: "it is too close to tell"}


@dataclass(frozen=True)
class Answer:
    """A question and its answer. `key` names the question for programs."""

    key: str
    asked: str
    text: str


def answers(found: Crossover) -> list[Answer]:
    """Return what was measured, and of what was fitted that whose fits are good."""
    if len(found.capacities) < 2:
        return []
    told = [
        Answer("p50", "At equal load, which of the two is faster, by the median?", _latency("p50", found.capacities)),
        Answer("p99", "And by p99?", _latency("p99", found.capacities)),
        Answer("capacity", "How much load does each carry within the objective?", _capacity(found.capacities)),
        Answer("cost", "Which of the two costs less CPU an image?", _cost(found)),
    ]
    if not found.services:
        return told
    sequential, parallel = found.services
    if all(curve.is_good for curve in (sequential.unit, sequential.rest, parallel.whole)):
        told.append(Answer("length", "At which length would sequential break even?", _length(found)))
    if found.text is not None and found.text.unit.is_good:
        told.append(Answer("text", "And a language model, whose length is free?", _text(parallel, found.text)))
    return told


def _latency(quantile: str, capacities: Sequence[Capacity]) -> str:
    """Return who was faster at the rates that both carried within the objective."""
    first, second = (carried(each, quantile) for each in capacities)
    rates = sorted(first.keys() & second.keys())
    if not rates:
        return "No rate was measured at which both met the objective."
    return contest(rates, [first[rate] / second[rate] for rate in rates], "{} images/s", _RESOLVED_LATENCY)


def _capacity(capacities: Sequence[Capacity]) -> str:
    told = ", ".join(f"{each.paradigm} {capacity_verdict(each)}" for each in capacities)
    return f"Measured with arrivals at random, with p99 within {seconds(capacities[0].slo_seconds)}: {told}."


def _length(found: Crossover) -> str:
    sequential, parallel = found.services
    parts = []
    for each in found.break_even:
        callers, part = each.num_in_flight, f"could take {ranged(each.num_steps, number)} to break even"
        if each.num_steps.value < 1:
            around, whole = (seconds(curve_of(curve)(callers)) for curve in (sequential.rest, parallel.whole))
            part = (
                f"breaks even at no length: what it spends around its steps, {around}, leaves no time for one in the"
                f" {whole} of the parallel model"
            )
        parts.append(f"With {counted(callers, 'request')} in flight it {part}.")
    return f"The sequential model takes {sequential.num_steps:.0f} steps for an image. {' '.join(parts)}"


def _cost(found: Crossover) -> str:
    costs = found.costs
    if not costs:
        return "Not known here; `tandem bench compare` measures it, where the servers tell their CPU time."
    ratios = [each.sequential_cpu_seconds / each.parallel_cpu_seconds for each in costs]
    text = contest([float(each.concurrency) for each in costs], ratios, "{} in flight", _RESOLVED_COST)
    ends = [
        f"{seconds(each.sequential_cpu_seconds)} against {seconds(each.parallel_cpu_seconds)} of CPU an image at"
        f" {each.concurrency}"
        for each in (costs[0], costs[-1])
    ]
    return f"{text} {ends[0]}, {ends[1]}."


def _text(parallel: FittedService, text: TextIllustration) -> str:
    one, longest = text.unit.points[0], text.lengths[-1]
    images = parallel.most_per_second * one.measured_seconds
    return (
        f"Another workload, so no contest: {text.model} takes {seconds(one.measured_seconds)} a token at a batch of"
        f" {number(one.x)}; in the time of one token the parallel model, busy, draws {number(images)} images. t0 + L *"
        f" t_step(b) is {abs(longest.relative_residual):.0%} off at L = {longest.length:.0f}."
    )


def between(low: float, high: float) -> str:
    """Return a range, or one number where the two look alike."""
    ends = number(low), number(high)
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def contest(xs: Sequence[float], ratios: Sequence[float], where: str, resolved: float) -> str:
    """Return who wins at each of `xs` (ascending), where `ratios` are sequential / parallel, of what is better small.
    A ratio below `resolved` (above 1, either way round) names no winner. `where` puts an x into words, such as
    "{} images/s".
    """
    found = sorted(zip(xs, ratios, strict=True))
    groups = [(won, list(each)) for won, each in groupby(found, lambda pair: _winner(pair[1], resolved))]
    text = "; ".join(f"{_WINNERS[won]} {_span(each, where)}" for won, each in groups)
    if len(groups) == 1 and groups[0][0] is None:
        text += f": the two differ by less than a factor of {number(resolved)}"
    elif len(groups) == 1:
        gains = [max(ratio, 1 / ratio) for _, ratio in found]
        ends = [f"{number(gains[place])} at {where.format(number(found[place][0]))}" for place in (0, -1)]
        text += f", by a factor of {between(min(gains), max(gains))}{f' ({ends[0]}, {ends[1]})' if gains[1:] else ''}"
    return f"{text[0].upper()}{text[1:]}."


def _winner(ratio: float, resolved: float) -> bool | None:
    """Return whether the parallel model wins; None if the difference is too small to tell."""
    return None if max(ratio, 1 / ratio) < resolved else ratio > 1.0


def _span(pairs: Sequence[tuple[float, float]], where: str) -> str:
    first, last = (where.format(number(pairs[place][0])) for place in (0, -1))
    return f"at {first}" if len(pairs) == 1 else f"at the {len(pairs)} loads measured from {first} to {last}"


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
    """Return where the capacity lies, or why that is not known."""
    low, high = capacity.low_per_second, capacity.high_per_second
    known = tried(capacity.trials, capacity.slo_seconds)
    if not known:
        why = f"long enough for {LEAST_REQUESTS} requests" if any(each.valid for each in capacity.trials) else "valid"
        return f"not known, as no trial was {why}"
    rates = [rate for rate, _ in known]
    met, missed = ([rate for rate, is_met in known if is_met is wanted] for wanted in (True, False))
    text = _bracket(low, high, min(rates), max(rates))
    if met and missed and max(met) >= min(missed):
        text += f"; the machine was not steady: met at {number(max(met))}/s, missed at {number(min(missed))}/s"
    return text


def _bracket(low: float | None, high: float | None, least: float, most: float) -> str:
    if low is not None and high is not None:
        return f"between {number(low)} and {number(high)}/s"
    if low is not None:
        return (
            f"at least {number(low)}/s (at {number(most)}/s, the highest rate tried, not all trials missed the"
            " objective)"
        )
    if high is not None:
        return f"below {number(high)}/s (at {number(least)}/s, the lowest rate tried, not all trials met the objective)"
    return (
        f"not known, as not all trials at {number(least)}/s, the lowest rate tried, met the objective, nor did all at"
        f" {number(most)}/s, the highest, miss it"
    )


def caveats(found: Crossover) -> Iterator[str]:
    """Yield what a reader has to know."""
    if found.is_local:
        yield LOCAL
    for service in found.services:
        for name, curve in (("unit", service.unit), ("t0", service.rest), ("whole", service.whole)):
            if not curve.is_good:
                yield f"{service.paradigm}, {name}: {fit_verdict(curve)}"


_CURVES: Columns[tuple[str, FittedCurve]] = {
    "curve": lambda row: row[0].replace(" ", "\n", 1),
    "base, ms": lambda row: value_cell(row[1].base_seconds, milliseconds),
    "slope,\nms each": lambda row: value_cell(row[1].slope_seconds, milliseconds),
    "knee": lambda row: known(row[1].knee, number),
    "slope after,\nms each": lambda row: value_cell(row[1].slope_after_seconds, milliseconds),
    "RMS": lambda row: share(row[1].relative_rms),
    "fit": lambda row: fit_verdict(row[1]).partition(":")[0],
}
_VERDICTS = {True: "met", False: "missed", None: "too near to tell"}
_TRIALS: Columns[tuple[str, Trial, float]] = {
    "trial": lambda row: row[0],
    "offered\nimages/s": lambda row: number(row[1].rate_per_second),
    "requests": lambda row: count(row[1].num_requests),
    "p50, ms": lambda row: known(row[1].p50_seconds, milliseconds),
    "p99, ms": lambda row: known(row[1].p99_seconds, milliseconds),
    "in time": lambda row: known(row[1].share_within_slo, share),
    "objective": lambda row: _VERDICTS[is_met(row[1], row[2])] if is_telling(row[1]) else NONE,
    "problems": lambda row: "; ".join([*([] if row[1].valid else ["INVALID"]), *row[1].problems]),
}


def crossover_tables(crossover: Crossover) -> list[Table]:
    """Return those that have a row."""
    curves = []
    for each in crossover.services:
        unit = "t_step(batch)" if each.paradigm == "sequential" else "t_batch(batch)"
        named = ((unit, each.unit), ("t0(in flight)", each.rest), ("whole(in flight)", each.whole))
        curves += [(f"{each.paradigm} {name}", curve) for name, curve in named]
    runs = [
        (str(capacity.paradigm), run, capacity.slo_seconds)
        for capacity in crossover.capacities
        for run in sorted(capacity.trials, key=lambda each: each.rate_per_second)
    ]
    tables = (
        table_of("Fitted parameters (95 % intervals)", curves, _CURVES, lambda row: not row[1].is_good),
        table_of("Open loops at steady rates", runs, _TRIALS, lambda row: not row[1].valid),
    )
    return [table for table in tables if table.rows]


_NUM_POINTS = 60
_UNIT_NOTE = (
    "Points: means of some slices of the runs, as the backend told it. Lines: the fit. An image takes many steps, and"
    " one pass."
)
_WHOLE_NOTE = "Points: what clients waited, means of some slices. Lines: the fit."


def fit_charts(crossover: Crossover) -> list[Chart]:
    """Return all there is something for."""
    units, wholes = [], []
    for each in crossover.services:
        units += _fit(each, each.unit, "a step" if each.paradigm == "sequential" else "a pass")
        wholes += _fit(each, each.whole, "a whole image")
    title = "Service curves: a step in sequence, a pass in parallel"
    return [
        Chart("fit-unit", title, _UNIT_NOTE, "batch: sequences a step, images a pass", "ms", units),
        Chart("fit-whole", "Whole image over requests in flight", _WHOLE_NOTE, "requests in flight", "ms", wholes),
    ]


def _fit(service: FittedService, fitted: FittedCurve, name: str) -> list[Series]:
    xs = [point.x for point in fitted.points]
    if not xs:
        return []
    curve = curve_of(fitted)
    grid = np.geomspace(max(1.0, min(xs)), max(xs), _NUM_POINTS).tolist()
    measured = [point.measured_seconds * MILLISECONDS for point in fitted.points]
    line = [curve(each) * MILLISECONDS for each in grid]
    return [
        Series(f"{service.paradigm}: {name}", service.paradigm, "points", xs, measured),
        Series(f"{service.paradigm}: fit", service.paradigm, "fit", grid, line),
    ]
