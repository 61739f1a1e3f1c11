"""What was measured of each model and number of steps, and its Pareto front: what nothing surely beats in both."""

from collections.abc import Iterable, Sequence

from tandem.measure.formats import quantity
from tandem.measure.report.sources import Sources
from tandem.measure.report.verdict import Verdict, verdicts
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.quality import Distance
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.statistics.intervals import is_surely_below

AS_GOOD = 1.15
"""As good as all steps: an FID that is at most so much larger, and surely worse in no view."""


def points_of(sources: Sources) -> tuple[StepsPoint, ...]:
    """Return the points of a measurement over steps if there is one, else the unary modes of a matched pair."""
    if sources.steps is not None:
        return sources.steps.points
    if sources.comparison is None or not sources.comparison.is_matched:
        return ()
    served = {images.paradigm: images for images in sources.comparison.served}
    unary = [mode for mode in sources.comparison.modes if mode.delivery == "unary" and mode.paradigm in served]
    nothing = {"steps": None, "bits_per_token": None, "bits_over_most": None, "predicted_over_most": None}
    pairs = [(mode, served[mode.paradigm]) for mode in unary]
    return tuple(
        StepsPoint(mode=mode, num_images=own.num_images, quality=own.quality, **nothing) for mode, own in pairs
    )


def of_paradigm(points: Sequence[StepsPoint], paradigm: Paradigm) -> StepsPoint | None:
    """Return who stands for a paradigm: a model that takes no steps, or else one in its most steps."""
    found = [point for point in points if point.mode.paradigm == paradigm]
    return next((point for point in found if point.steps is None), found[-1] if found else None)


def fewest_steps(points: Sequence[StepsPoint]) -> tuple[StepsPoint, StepsPoint, StepsPoint] | None:
    """Return the first of the numbers of steps, the fewest that do as well as all, and all; None of fewer than two."""
    known = [point for point in points if point.steps is not None and wait_of(point) and fid_of(point)]
    if len(known) < 2:
        return None
    return known[0], next(point for point in known if point is known[-1] or _is_as_good(point, known[-1])), known[-1]


def _is_as_good(few: StepsPoint, most: StepsPoint) -> bool:
    """Return whether fewer steps do as well as the most."""
    found = verdicts(few.quality, most.quality)
    is_near = bool(found) and found["judge"].first.value <= AS_GOOD * found["judge"].second.value
    return is_near and not any(verdict.is_worse for verdict in found.values())


def name_of(point: StepsPoint) -> str:
    """Return the model, and its steps if it takes some."""
    return point.mode.model if point.steps is None else f"{point.mode.model} in {quantity(point.steps, 'step')}"


def wait_of(point: StepsPoint) -> Value | None:
    """Return the median seconds of one image with one caller."""
    return None if point.mode.alone is None else point.mode.alone.latency.p50


def cpu_of(point: StepsPoint) -> Value | None:
    """Return the CPU seconds that an image costs the servers at the greatest load; None if nobody knows."""
    return point.mode.curve[-1].cpu_seconds_per_image.servers if point.mode.curve else None


def fid_of(point: StepsPoint) -> Distance | None:
    """Return the FID with its interval."""
    return None if point.quality is None else point.quality.views.model.judge


def tokenizer_fid(judged: JudgedImages | None) -> float | None:
    """Return what no order of drawing could avoid: the FID of real images that only went through the tokenizer."""
    return None if judged is None or judged.views.tokenizer is None else judged.views.tokenizer.judge.value


def front(points: Iterable[StepsPoint]) -> list[StepsPoint]:
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
