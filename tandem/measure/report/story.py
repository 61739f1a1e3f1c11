"""The first screen: the question, and the answer in plain sentences with the numbers of these runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.measure.formats import number, seconds, share
from tandem.measure.report.charts.chart import Chart
from tandem.measure.report.sentences.crossover import bracket
from tandem.measure.report.sources import MatchedRun, Sources, matched_runs
from tandem.measure.results.comparison import Comparison, ModeResult
from tandem.measure.results.crossover import Capacity, Crossover
from tandem.measure.results.header import Machine
from tandem.measure.scenario import ClosedLoop, Paradigm

_A_CURVE = 3
QUESTION = "What does it cost to draw an image in sequence, and what does it buy?"


@dataclass(frozen=True)
class Story:
    """`sentences` answer the question; `warnings` come before them, loudly."""

    question: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def tell(sources: Sources) -> Story:
    """Return what there is to tell."""
    runs = matched_runs(sources.runs)
    comparison = None if sources.comparison is None else sources.comparison.document
    crossover = None if sources.crossover is None else sources.crossover.document
    sentences = [
        _latency(sources.machine, comparison, runs),
        _capacity(comparison, crossover),
        _price(comparison),
        _quality(comparison),
    ]
    return Story(QUESTION, tuple(each for each in sentences if each), tuple(warnings(sources)))


def _latency(machine: Machine | None, comparison: Comparison | None, runs: Sequence[MatchedRun]) -> str:
    values = _compared_p50(comparison) if comparison is not None else _alone_p50(runs)
    if machine is None or len(values) < 2:
        return ""
    first, second = values["sequential"], values["parallel"]
    return (
        f"On this machine ({_cores(machine)} of {machine.cpu_model}) one image takes {seconds(first)} in sequence and"
        f" {seconds(second)} in parallel: {_times(first, second)}."
    )


def _cores(machine: Machine) -> str:
    number = machine.num_usable_cores
    return f"{number} core{'s' if number != 1 else ''}"


def _compared_p50(comparison: Comparison) -> dict[Paradigm, float]:
    return {
        mode.paradigm: mode.alone.latency.p50.value
        for mode in comparison.modes
        if mode.delivery == "unary" and mode.alone is not None and mode.alone.latency.p50 is not None
    }


def _alone_p50(runs: Sequence[MatchedRun]) -> dict[Paradigm, float]:
    """Return medians of closed loops with one caller."""
    return {
        run.stream.paradigm: run.stream.latency.seconds.p50
        for run in runs
        if isinstance(run.load, ClosedLoop) and run.load.concurrency == 1 and run.is_sound
        if run.stream.latency.seconds.p50 is not None and run.stream.paradigm is not None
    }


def _times(first: float, second: float) -> str:
    ratio = first / second if second else float("inf")
    if ratio >= 1:
        return f"{number(ratio)} times as long in sequence"
    return f"{number(1 / ratio)} times as long in parallel"


def _capacity(comparison: Comparison | None, crossover: Crossover | None) -> str:
    rates: dict[Paradigm, str] = {}
    slo = 0.0
    if crossover is not None and crossover.capacities:
        slo = crossover.settings.slo_seconds
        rates = {each.paradigm: _checked_rate(each) for each in crossover.capacities}
    elif comparison is not None:
        slo = comparison.settings.slo_seconds
        rates = {mode.paradigm: _mode_rate(mode) for mode in comparison.modes if mode.delivery == "unary"}
    if len(rates) < 2 or not all(rates.values()):
        return ""
    return (
        f"With 99 of 100 images within {seconds(slo)} it serves {rates['sequential']} images a second in sequence"
        f" and {rates['parallel']} in parallel."
    )


def _checked_rate(capacity: Capacity) -> str:
    low, high = capacity.measured_low_per_second, capacity.measured_high_per_second
    if low is None and high is None:
        return f"{number(capacity.predicted_per_second.value)} (predicted, not checked)"
    words = bracket(low, high).removesuffix("/s")
    is_open = low is None or high is None
    return f"{words} (predicted: {number(capacity.predicted_per_second.value)})" if is_open else words


def _mode_rate(mode: ModeResult) -> str:
    capacity = mode.capacity
    if capacity is None or capacity.images_per_second is None:
        return ""
    return f"{'at least ' if capacity.is_lower_bound else ''}{number(capacity.images_per_second)}"


def _price(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    costs = {
        mode.paradigm: (mode.curve[-1].concurrency, mode.curve[-1].cpu_seconds_per_image.servers)
        for mode in comparison.modes
        if mode.delivery == "unary" and mode.curve
    }
    known = {paradigm: found.value for paradigm, (_, found) in costs.items() if found is not None}
    if len(known) < 2:
        return ""
    return (
        f"Under load ({costs['sequential'][0]} at a time) an image costs the servers {seconds(known['sequential'])} of"
        f" CPU in sequence and {seconds(known['parallel'])} in parallel."
    )


def _quality(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    found = {each.paradigm: each.quality.model for each in comparison.served if each.quality is not None}
    if len(found) < 2:
        return ""
    first, second = found["sequential"], found["parallel"]
    return (
        f"What it buys: of the images served in this run, those in sequence have FID {first.fid:.3g} (lower is"
        f" better), recall {first.recall:.2f} and label accuracy {share(first.accuracy)}; those in parallel FID"
        f" {second.fid:.3g}, recall {second.recall:.2f}, accuracy {share(second.accuracy)}. And only the sequential"
        " model can say how likely an image is."
    )


def warnings(sources: Sources) -> list[str]:
    """Return what a reader must know before any figure."""
    found = []
    invalid = [read.name for read in sources.runs if not read.document.audit.valid]
    partial = [read.name for read in sources.runs if read.document.is_partial]
    if invalid:
        found.append(
            f"INVALID: in {len(invalid)} of {len(sources.runs)} load runs the generator itself was not good enough;"
            " they are marked with a cross and count for nothing: " + _listed(invalid)
        )
    if partial:
        found.append(f"PARTIAL: {len(partial)} of {len(sources.runs)} load runs were broken off: {_listed(partial)}")
    documents = (
        (sources.comparison, "comparison"),
        (sources.crossover, "crossover"),
        (sources.growth, "growth"),
        (sources.steps, "measurement over steps"),
    )
    for read, what in documents:
        if read is not None and read.document.is_partial:
            found.append(f"PARTIAL: the {what} was broken off: {'; '.join(read.document.problems)}")
        elif read is not None:
            # Runs that are invalid are told of above.
            own = [problem for problem in read.document.problems if not invalid or not problem.startswith("INVALID")]
            found += [f"The {what} had problems: {_listed(own)}"] if own else []
    if len(sources.machines) > 1:
        found.append(f"MIXED: these results come from {len(sources.machines)} different machines or set-ups.")
    if sources.rejected:
        found.append(f"{len(sources.rejected)} files could not be used; see the list of files.")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def first_chart(charts: Sequence[Chart]) -> Chart | None:
    """Return the one chart of the first screen: latency over load, of both paradigms if there is such a one."""
    by_key = {chart.key: chart for chart in charts}
    known = [by_key[key] for key in ("open", "compared", "closed") if key in by_key]
    return next((chart for chart in known if _has_both(chart)), known[0] if known else None)


def _has_both(chart: Chart) -> bool:
    """Return whether both paradigms have a curve: three sound points at least."""
    curves = {each.role for each in chart.series if each.style == "line" and len(each.x) >= _A_CURVE}
    return {"sequential", "parallel"} <= curves
