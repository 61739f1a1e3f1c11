"""The picture that a report opens with: cost against quality, a point each model and number of steps."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.measure.formats import count, counted, rounded
from tandem.measure.report.charts.chart import Chart, Level, Role, Series, Style
from tandem.measure.report.charts.load import MILLISECONDS
from tandem.measure.report.front import fid_of, front, sure_fid_of, tokenizer_fid, wait_of
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value

KEY = "cost-quality"
_NOTE = (
    "Further left is faster, further down is nearer to real images. Bars: 95 % intervals; where they overlap, the order"
    " may be chance. Dotted: the Pareto fronts, which nothing measured beats in both. Dashed: real images, and real"
    " images that a tokenizer has merely encoded and decoded."
)


def quality_chart(points: Sequence[StepsPoint]) -> Chart | None:
    """Return FID over the time of one image; None without a point that has both."""
    known = [point for point in points if wait_of(point) is not None and point.quality is not None]
    if not known:
        return None
    stepped = [point for point in known if point.steps is not None]
    alone = [point for point in known if point.steps is None]
    sequential = [point for point in known if point.mode.paradigm == "sequential"]
    series = [
        _marks(f"{stepped[0].mode.model} in K steps" if stepped else "", "sequential", "points", stepped),
        *(_marks(point.mode.model, point.mode.paradigm, _style(point), [point]) for point in alone),
        _staircase("Pareto front", "neutral", front(known, fid_of), known),
        _staircase("of the sequential", "sequential", front(sequential, fid_of), known),
    ]
    judged = [point.quality for point in known if point.quality is not None]
    sizes = {quality.model.num_images for quality in judged}
    y_title = f"FID of {' or '.join(map(count, sorted(sizes)))} images"
    title = "Cost against quality: lower left is better"
    return Chart(KEY, title, _NOTE, "ms for one image, alone", y_title, series, True, True, _levels(known))


def _style(point: StepsPoint) -> Style:
    return "hollow" if point.mode.paradigm == "sequential" else "points"


def _levels(points: Sequence[StepsPoint]) -> list[Level]:
    """Return what real images have, and what each tokenizer leaves of them; one line where several leave the same."""
    judged: list[tuple[str, JudgedImages]] = [(point.mode.model, point.quality) for point in points if point.quality]
    floor = Level(judged[0][1].floor.fid, f"real images: {rounded(judged[0][1].floor.fid)}")
    lost: dict[float, list[str]] = {}
    for model, quality in judged:
        fid = tokenizer_fid(quality)
        if fid is not None and model not in lost.setdefault(fid, []):
            lost[fid].append(model)
    whose = {fid: f" of {' and '.join(models)}" if len(lost) > 1 else "" for fid, models in lost.items()}
    return [floor, *(Level(fid, f"real images through the tokenizer{whose[fid]}: {rounded(fid)}") for fid in lost)]


def _marks(name: str, role: Role, style: Style, points: Sequence[StepsPoint]) -> Series:
    """Return a point each, with intervals in both directions."""
    waits = [_wait(point) for point in points]
    fids = [_fid(point) for point in points]
    return Series(
        name,
        role,
        style,
        [wait.value * MILLISECONDS for wait in waits],
        [fid.value for fid in fids],
        [fid.low for fid in fids],
        [fid.high for fid in fids],
        [_label(point, is_end=point in (points[0], points[-1])) for point in points],
        left=[None if wait.low is None else wait.low * MILLISECONDS for wait in waits],
        right=[None if wait.high is None else wait.high * MILLISECONDS for wait in waits],
        is_labelled=True,
        in_legend=len(points) > 1,  # a lone one is named where it stands
    )


def _label(point: StepsPoint, is_end: bool) -> str:
    if point.steps is None:
        return point.mode.model
    return counted(point.steps, "step") if is_end else str(point.steps)


def _wait(point: StepsPoint) -> Value:
    found = wait_of(point)
    assert found is not None
    return found


def _fid(point: StepsPoint) -> Value:
    found = sure_fid_of(point)
    assert found is not None
    return found


def _staircase(name: str, role: Role, steps: Sequence[StepsPoint], points: Sequence[StepsPoint]) -> Series:
    """Return the edge of what a front beats, as far as anything was measured."""
    if not steps:
        return Series(name, role, "fit", [], [])
    xs, ys = [_wait(steps[0]).value], [max(_fid(point).value for point in points)]
    for point in steps:
        xs += [_wait(point).value] * 2
        ys += [ys[-1], _fid(point).value]
    xs.append(max(_wait(point).value for point in points))
    ys.append(ys[-1])
    return Series(name, role, "fit", [x * MILLISECONDS for x in xs], ys)
