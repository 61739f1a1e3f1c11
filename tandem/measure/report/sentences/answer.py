"""Three sentences that answer the title of a report, of measured figures alone; and what was not measured, and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tandem.measure.formats import counted, rounded, seconds
from tandem.measure.report.front import cpu_of, fid_of, name_of, tokenizer_fid, wait_of
from tandem.measure.report.verdict import VIEWS, Verdict, verdicts
from tandem.measure.results.comparison import CpuSource, JudgedImages, Judgement
from tandem.measure.results.header import Machine
from tandem.measure.results.quality import Distance
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm

# As good as all steps: an FID that is at most so much larger, and surely worse in no view.
AS_GOOD = 1.15
# Of the difference in FID: what makes up so much of it is most of it, what makes up less than so much is little.
_MOST, _LITTLE = 0.5, 0.2

Bracket = tuple[float | None, float | None]
"""The rates between which a capacity lies; None: on that side none was found."""


@dataclass(frozen=True)
class Sentence:
    """`about`: what part of the question it answers."""

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def answer(
    points: Sequence[StepsPoint], machine: Machine | None, slo_seconds: float, open_loops: Mapping[str, Bracket]
) -> Iterator[Sentence]:
    """Yield the sentences for which there are figures. `machine`: the servers'; None: not known. `open_loops`: between
    which rates the capacity of a model lies, where that was measured with arrivals at random.
    """
    first, second = of_paradigm(points, "sequential"), of_paradigm(points, "parallel")
    if first is not None and second is not None:
        if text := _cost(first, second, machine, slo_seconds, open_loops):
            yield Sentence("What it costs", text)
        if text := _gain(first, second):
            yield Sentence("What it buys", text)
    if text := _between([point for point in points if point.steps is not None]):
        yield Sentence("In between", text)


def of_paradigm(points: Sequence[StepsPoint], paradigm: Paradigm) -> StepsPoint | None:
    """Return who stands for a paradigm: a model that takes no steps, or else one in its most steps."""
    found = [point for point in points if point.mode.paradigm == paradigm]
    return next((point for point in found if point.steps is None), found[-1] if found else None)


def _cost(
    first: StepsPoint,
    second: StepsPoint,
    machine: Machine | None,
    slo_seconds: float,
    open_loops: Mapping[str, Bracket],
) -> str:
    waits = wait_of(first), wait_of(second)
    if waits[0] is None or waits[1] is None or not waits[1].value:
        return ""
    text = (
        f"{rounded(waits[0].value / waits[1].value)} times the wait ({rounded(waits[0].value, seconds)} for an image"
        f" against {rounded(waits[1].value, seconds)} in parallel)"
    )
    cpu = cpu_of(first), cpu_of(second)
    if cpu[0] is not None and cpu[1] is not None and cpu[1].value:
        text += f" and {rounded(cpu[0].value / cpu[1].value)} times the CPU under load"
    if rates := _rates(first, second, open_loops):
        where = f"{counted(machine.num_usable_cores, 'core')} of {machine.cpu_model}" if machine else "the servers"
        text += f"; with p99 within {seconds(slo_seconds)}, {where} serve {rates}"
    return f"{text}."


def _rates(first: StepsPoint, second: StepsPoint, open_loops: Mapping[str, Bracket]) -> str:
    """Return both capacities: of open loops, or else of the closed ones, which says so; empty if one is not known."""
    names = first.mode.model, second.mode.model
    if all(name in open_loops for name in names):
        found, note = [_between_rates(*open_loops[name]) for name in names], ""
    else:
        found = [_highest_rate(point) for point in (first, second)]
        note = " in closed loops, which bear more than arrivals at random"
    return f"{found[0]} images a second against {found[1]}{note}" if all(found) else ""


def _between_rates(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {rounded(low)}" if low is not None else f"fewer than {rounded(high)}" if high else ""
    return f"{rounded(low)} to {rounded(high)}"


def _highest_rate(point: StepsPoint) -> str:
    capacity = point.mode.capacity
    if capacity is None or capacity.images_per_second is None:
        return ""
    return f"{'at least ' if capacity.is_lower_bound else ''}{rounded(capacity.images_per_second)}"


def _gain(first: StepsPoint, second: StepsPoint) -> str:
    found = verdicts(first.quality, second.quality)
    if first.quality is None or not found:
        return ""
    views: dict[str, list[str]] = {}
    for view, verdict in found.items():
        word = verdict.word if verdict.is_better or verdict.is_worse else f"with {verdict.word}"
        views.setdefault(word, []).append(VIEWS[view])
    told = "; ".join(f"{word} by {' and '.join(names)}" for word, names in views.items())
    return (
        f"images {told}.{_tokenizer(first.quality, found['judge'])}"
        " Only the sequential model can say how likely an image is."
    )


def _tokenizer(quality: JudgedImages, verdict: Verdict) -> str:
    """Return what of an FID is the tokenizer's, and of its distance to another's; empty if nobody knows."""
    lost = tokenizer_fid(quality)
    if lost is None:
        return ""
    text = f" Real images that merely pass through its tokenizer have an FID of {rounded(lost)} already"
    if not verdict.is_worse:
        return f"{text}."
    part = (lost - verdict.second.value) / (verdict.first.value - verdict.second.value)
    if part >= _MOST:
        return f"{text}, so most of the gap is not the price of sequence."
    return f"{text}, so {'little' if part < _LITTLE else 'some'} of the gap is the tokenizer's."


def _between(points: Sequence[StepsPoint]) -> str:
    known = [(point, wait, fid) for point in points if (wait := wait_of(point)) and (fid := fid_of(point))]
    if len(known) < 2:
        return ""
    first, last = known[0], known[-1]
    few = next((each for each in known if _is_as_good(each[0], last[0])), last)
    model, all_steps = last[0].mode.model, last[0].steps
    if few is last:
        text = f"{model} needs all of its {all_steps} steps ({_told(last)})"
    else:
        text = (
            f"in {few[0].steps} of its {all_steps} steps {model} does about as well as in all ({_told(few)}, against"
            f" {_told(last)}; difference {Verdict(few[2], last[2]).figures or 'unsure'})"
        )
    return f"{text}." if few is first else f"{text}; in {counted(first[0].steps or 0, 'step')} it has {_told(first)}."


def _is_as_good(few: StepsPoint, most: StepsPoint) -> bool:
    """Return whether fewer steps do as well as the most."""
    found = verdicts(few.quality, most.quality)
    is_near = bool(found) and found["judge"].first.value <= AS_GOOD * found["judge"].second.value
    return is_near and not any(each.is_worse for each in found.values())


def _told(row: tuple[StepsPoint, Value, Distance]) -> str:
    _, wait, fid = row
    return f"FID {rounded(fid.value)} in {rounded(wait.value, seconds)}"


def no_rate(point: StepsPoint) -> str:
    """Return that no load that was tried met the objective; empty if one did, or none was tried."""
    capacity, curve = point.mode.capacity, point.mode.curve
    if capacity is None or capacity.images_per_second is not None or not curve:
        return ""
    callers = " to ".join(dict.fromkeys(str(each.concurrency) for each in (curve[0], curve[-1])))
    slo, p99s = capacity.slo_seconds, [each.latency.p99 for each in curve]
    if all(p99 is not None and p99.value > slo for p99 in p99s):
        found = f"with {callers} callers p99 was always above {seconds(slo)}"
    else:
        found = f"no load that was tried had its p99 within {seconds(slo)} and no errors"
    return f"{name_of(point)} has no rate within the objective: {found}."


def missing(points: Sequence[StepsPoint], judgement: Judgement, cpu_sources: Sequence[CpuSource]) -> Iterator[str]:
    """Yield what the answer lacks, and why."""
    if not points:
        return
    if judgement.reason:
        yield f"Quality was not measured: {judgement.reason}."
    for source in cpu_sources:
        if not source.is_known:
            yield f"CPU of the {source.process} is not known: {source.note}."
    judged = of_paradigm(points, "sequential")
    if judged is not None and judged.quality is not None and tokenizer_fid(judged.quality) is None:
        yield f"What of the FID of {judged.mode.model} is its tokenizer's was not measured: its files were not at hand."
    for point in filter(None, (judged, of_paradigm(points, "parallel"))):
        if text := no_rate(point):
            yield text
    if all(point.steps is None for point in points):
        yield (
            "What lies between sequence and parallel is not in these files; `tandem bench tradeoff` measures it if a"
            " model that takes steps is served."
        )
