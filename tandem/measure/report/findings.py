"""What documents come to, in figures: who wins and how surely, what nothing beats. Templates say and
show it; this module knows no words of theirs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from tandem.measure.formats import NONE, count, ends, number, quantity, two_digits
from tandem.measure.report.tables import Cell
from tandem.measure.results.comparison import Comparison, Contrast, JudgedImages, ModeResult, Point, Served, Work
from tandem.measure.results.crossover import Capacity, Crossover
from tandem.measure.results.quality import Distance
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.intervals import chance_of, is_surely_below, of_tenths
from tandem.measure.studies.fit.capacity import carried

# What one trial a rate can tell. In simulations two equal servers (M/D/1, 350 requests each, up to .85 of their
# capacity) differ by less than this in 95 of 100 pairs of trials, in p50 and in p99.
RESOLVED_LATENCY = 3.0
RESOLVED_COST = 1.1
AS_GOOD = 1.15
"""As good as all steps: an FID that is at most so much larger, and surely worse in no view."""
UNARY = ("sequential unary", "parallel unary")
VIEWS = {"judge": "FID (judge)", "pixels": "pixels", "gradients": "gradients"}

Pairs = Sequence[tuple[float, float]]
"""A load, and sequential / parallel of what is better small; in the order of the loads."""


@dataclass(frozen=True)
class Group:
    """Neighbouring loads with one winner: True: parallel; None: the difference is too small to tell."""

    winner: bool | None
    pairs: Pairs

    @property
    def gains(self) -> list[float]:
        """By which factor one of them is better."""
        return [max(ratio, 1 / ratio) for _, ratio in self.pairs]


def contest_groups(pairs: Pairs, resolved: float) -> list[Group]:
    """Return the loads by winner; a ratio below `resolved` (above 1, either way round) names none."""

    def winner(pair: tuple[float, float]) -> bool | None:
        return None if max(pair[1], 1 / pair[1]) < resolved else pair[1] > 1.0

    return [Group(won, list(group)) for won, group in groupby(pairs, winner)]


def latency_ratios(capacities: Sequence[Capacity], quantile: str) -> Pairs:
    """Return the ratios at the rates that both carried within the objective."""
    first, second = (carried(capacity, quantile) for capacity in capacities)
    return [(rate, first[rate] / second[rate]) for rate in sorted(first.keys() & second.keys())]


def cost_ratios(found: Crossover) -> Pairs:
    """Return the ratios of CPU an image, by callers."""
    return [(float(cost.concurrency), cost.first_value / cost.second_value) for cost in found.costs]


def between(low: float, high: float) -> str:
    """Return a range, or one number where the two look alike."""
    first, last = number(low), number(high)
    return first if first == last else f"{first} to {last}"


def contrast(document: Comparison, pair: tuple[str, str], concurrency: int, metric: str) -> Contrast | None:
    """Return a contrast of a document; None if it has none."""
    pairs = (entry for entry in document.contrasts if (entry.first, entry.second) == pair)
    return next((entry for entry in pairs if (entry.concurrency, entry.metric) == (concurrency, metric)), None)


def advantage(document: Comparison, concurrency: int, metric: str) -> Value | None:
    """Return how many times the unary parallel call is better than the sequential one; above 1: better."""
    found = contrast(document, UNARY, concurrency, metric)
    if found is None or found.ratio is None or metric != "images_per_second":
        return None if found is None else found.ratio
    return change_unit(found.ratio, lambda ratio: 1 / ratio)


def least_difference(controls: Sequence[Contrast], concurrency: int, metric: str) -> float | None:
    """Return the greatest share by which equal things differ in a metric, by the ends of the intervals of their ratios;
    None where there was no control.
    """
    ratios = [entry.ratio for entry in controls if (entry.concurrency, entry.metric) == (concurrency, metric)]
    found = [end for ratio in ratios if ratio for end in (ratio.value, ratio.low, ratio.high)]
    return max((max(end, 1 / end) - 1 for end in found if end is not None and end > 0.0), default=None)


def ratio_of(contrasts: Sequence[Contrast], concurrency: int, metric: str) -> Value | None:
    """Return the first ratio of a metric that is known."""
    found = (entry.ratio for entry in contrasts if (entry.concurrency, entry.metric) == (concurrency, metric))
    return next((ratio for ratio in found if ratio is not None), None)


@dataclass(frozen=True)
class Verdict:
    """Of one distance beside another. `difference`: the first minus the second, below 0 where the first is nearer; None
    without tenths.
    """

    first: Distance
    second: Distance

    @cached_property
    def tenths(self) -> list[float]:
        return [one - other for one, other in zip(self.first.tenths, self.second.tenths, strict=False)]

    @cached_property
    def difference(self) -> Value | None:
        return of_tenths(self.tenths, self.first.count) if self.tenths else None

    @property
    def is_better(self) -> bool:
        """Whether the first is surely nearer, at 95 %."""
        return self.difference is not None and self.difference.high is not None and self.difference.high < 0.0

    @property
    def is_worse(self) -> bool:
        return Verdict(self.second, self.first).is_better

    @property
    def word(self) -> str:
        if self.is_better or self.is_worse:
            return "better" if self.is_better else "worse"
        return f"no difference that {count(self.first.count)} images can show"

    @property
    def figures(self) -> str:
        """The difference, its interval, and how often chance alone makes so large a one; empty without."""
        if self.difference is None:
            return ""
        chance = chance_of(self.tenths)
        sign = "+" if self.difference.value > 0 else ""
        told = f"{sign}{two_digits(self.difference.value)}, {ends(self.difference, two_digits, ' to ')}"
        return f"{told}, p {'< 0.001' if chance < 0.001 else f'= {chance:.2g}'}"


def verdicts(first: JudgedImages | None, second: JudgedImages | None) -> dict[str, Verdict]:
    """Return the verdict on the first images beside the second by each view; none if one was not judged."""
    if first is None or second is None:
        return {}
    own, others = first.views.model, second.views.model
    return {view: Verdict(getattr(own, view), getattr(others, view)) for view in VIEWS}


class Drawn(Served):
    """Images of a model, and the unary mode in which they were drawn."""

    mode: ModeResult


def points_of(document: Comparison | None) -> tuple[Drawn, ...]:
    """Return what was drawn in each unary mode of models that draw the same."""
    if document is None or not document.is_matched:
        return ()
    unary = (mode for mode in document.modes if mode.delivery == "unary")
    return tuple(Drawn(mode=mode, **vars(served)) for mode, served in zip(unary, document.served, strict=True))


def of_paradigm(points: Sequence[Drawn], paradigm: Paradigm) -> Drawn | None:
    """Return who stands for a paradigm: a model that takes no steps, or else one in its most steps."""
    found = [point for point in points if point.mode.paradigm == paradigm]
    return next((point for point in found if point.steps is None), found[-1] if found else None)


def fewest_steps(points: Sequence[Drawn]) -> tuple[Drawn, Drawn, Drawn] | None:
    """Return the first of the numbers of steps, the fewest that do as well as all, and all; None of fewer than two."""
    known = [point for point in points if point.steps is not None and wait_of(point) and fid_of(point)]
    if len(known) < 2:
        return None
    return known[0], next(point for point in known if point is known[-1] or _is_as_good(point, known[-1])), known[-1]


def _is_as_good(few: Drawn, most: Drawn) -> bool:
    """Return whether fewer steps do as well as the most."""
    found = verdicts(few.quality, most.quality)
    is_near = bool(found) and found["judge"].first.value <= AS_GOOD * found["judge"].second.value
    return is_near and not any(verdict.is_worse for verdict in found.values())


def name_of(point: Drawn) -> str:
    """Return the model, and its steps if it takes some."""
    return point.mode.model if point.steps is None else f"{point.mode.model} in {quantity(point.steps, 'step')}"


def wait_of(point: Drawn) -> Value | None:
    """Return the median seconds of one image with one caller."""
    return None if point.mode.alone is None else point.mode.alone.figures.get("latency_p50_seconds")


def cpu_of(point: Drawn) -> Value | None:
    """Return the CPU seconds that an image costs the servers at the greatest load; None if nobody knows."""
    return point.mode.curve[-1].figures.get("cpu_seconds_per_image") if point.mode.curve else None


def fid_of(point: Drawn) -> Distance | None:
    """Return the FID with its interval."""
    return None if point.quality is None else point.quality.views.model.judge


def tokenizer_fid(judged: JudgedImages | None) -> float | None:
    """Return what no order of drawing could avoid: the FID of real images that only went through the tokenizer."""
    return None if judged is None or judged.views.tokenizer is None else judged.views.tokenizer.judge.value


def front(points: Iterable[Drawn]) -> list[Drawn]:
    """Return those than which none is both surely faster and surely better by FID; the fastest first. Points without a
    time or an FID are left out.
    """
    known = [(wait, fid, point) for point in points if (wait := wait_of(point)) and (fid := fid_of(point))]
    known.sort(key=lambda row: (row[0].value, row[1].value))
    return [
        point
        for wait, fid, point in known
        if not any(is_surely_below(faster, wait) and Verdict(better, fid).is_better for faster, better, _ in known)
    ]


def computing(point: Point | None) -> float | None:
    """Return the mean seconds of an image in steps, or in the pass of a parallel model."""
    parts = {} if point is None or point.phases is None else point.phases.parts
    found = [parts[name].mean_seconds for name in ("prefill", "decode", "compute") if name in parts]
    return sum(found) if found else None


def share_of_batch(point: Drawn) -> float | None:
    """Return an image's share of the steps that it took at the greatest load together with others."""
    last = point.mode.curve[-1] if point.mode.curve else None
    whole, batch = computing(last), None if last is None else last.batch_size.mean
    return None if whole is None or not batch else whole / batch


def highest_rate(mode: ModeResult) -> str:
    """Return the capacity of a mode as text."""
    if mode.capacity is None:
        return NONE
    if mode.capacity.images_per_second is None:
        return "none"
    return ("≥ " if mode.capacity.is_lower_bound else "") + number(mode.capacity.images_per_second)


def point_at(mode: ModeResult, concurrency: int) -> Point | None:
    """Return the point of a mode with so many callers."""
    return next((point for point in mode.curve if point.concurrency == concurrency), None)


def change_unit(value: Value, change: Callable[[float], float]) -> Value:
    """Return a value in another unit, with the ends of its interval."""
    changed = sorted(change(end) for end in (value.low, value.high) if end)
    low, high = changed if len(changed) == 2 else (None, None)
    return value.model_copy(update={"value": change(value.value), "low": low, "high": high})


def quality_of(mode: ModeResult, document: Comparison) -> JudgedImages | None:
    """Return how good the images are that a mode's model drew."""
    return next(served.quality for served in document.served if served.paradigm == mode.paradigm)


def output_rate(work: Work, point: Point | None) -> Cell:
    """Return how many outputs came a second."""
    return _outputs(work, point, "images_per_second", lambda rate: rate * work.num_outputs)


def outputs_per_cpu(work: Work, point: Point | None) -> Cell:
    """Return how many outputs a second of the servers' processor time brought."""
    return _outputs(work, point, "cpu_seconds_per_image", lambda cpu: work.num_outputs / cpu)


def _outputs(work: Work, point: Point | None, figure: str, change: Callable[[float], float]) -> Cell:
    value = None if point is None else point.figures.get(figure)
    if value is None or not value.value:
        return Cell(NONE)
    rate = change_unit(value, change)
    return Cell(f"{number(rate.value)} {work.unit}s", ends(rate, number))
