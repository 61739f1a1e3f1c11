"""Cost against quality, a point each model and number of steps, as a report opens with it."""

from collections.abc import Sequence

from tandem.measure.formats import count, quantity, two_digits
from tandem.measure.report.charts.chart import MILLISECONDS, Chart, Role, Series, Style
from tandem.measure.report.findings import fid_of, front, tokenizer_fid, wait_of
from tandem.measure.results.comparison import JudgedImages
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value

KEY = "cost-quality"


def quality_chart(points: Sequence[StepsPoint]) -> Chart | None:
    """Return FID over the time of one image; None without a point that has both."""
    known = [point for point in points if _places([point])]
    if not known:
        return None
    stepped = [point for point in known if point.steps is not None]
    sequential = [point for point in known if point.mode.paradigm == "sequential"]
    series = [_marks(f"{stepped[0].mode.model} in K steps" if stepped else "", "sequential", "line", stepped)]
    for point in known:
        if point.steps is None:
            style: Style = "hollow" if point.mode.paradigm == "sequential" else "points"
            series.append(_marks(point.mode.model, point.mode.paradigm, style, [point]))
    series.append(_staircase("Pareto front", "neutral", front(known), known))
    series.append(_staircase("of the sequential", "sequential", front(sequential), known))
    judged = [(point.mode.model, point.quality) for point in known if point.quality is not None]
    sizes = sorted({quality.model.num_images for _, quality in judged})
    y_title = f"FID, from {' or '.join(map(count, sizes))} images"
    title = "Cost against quality: lower left is better"
    return Chart(KEY, title, "ms for one image, one caller", y_title, series, levels=_levels(judged))


def _places(points: Sequence[StepsPoint]) -> list[tuple[Value, Value]]:
    """Return the time and the FID of those that have both."""
    return [(wait, fid) for point in points if (wait := wait_of(point)) and (fid := fid_of(point))]


def _levels(judged: Sequence[tuple[str, JudgedImages]]) -> list[tuple[float, str]]:
    """Return what each tokenizer leaves of real images; one line where several leave the same."""
    lost: dict[float, list[str]] = {}
    for model, quality in judged:
        fid = tokenizer_fid(quality)
        if fid is not None and model not in lost.setdefault(fid, []):
            lost[fid].append(model)
    whose = {fid: f" of {' and '.join(models)}" if len(lost) > 1 else "" for fid, models in lost.items()}
    names = [(fid, f"real images through the tokenizer{whose[fid]}: {two_digits(fid)}") for fid in lost]
    return [(fid, name) for fid, name in names if fid > 0.0]  # the axis is logarithmic


def _marks(name: str, role: Role, style: Style, points: Sequence[StepsPoint]) -> Series:
    """Return a point each, with intervals in both directions."""
    waits, fids = [wait for wait, _ in _places(points)], [fid for _, fid in _places(points)]
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
    return quantity(point.steps, "step") if is_end else str(point.steps)


def _staircase(name: str, role: Role, steps: Sequence[StepsPoint], points: Sequence[StepsPoint]) -> Series:
    """Return the edge of what a front beats, as far as anything was measured."""
    if len(steps) < 2:  # of a single point nothing can be seen
        return Series(name, role, "fit", [], [])
    stairs, all_waits, all_fids = _places(steps), *zip(*_places(points), strict=True)
    xs, ys = [stairs[0][0].value], [max(fid.value for fid in all_fids)]
    for wait, fid in stairs:
        if fid.value >= ys[-1]:  # not surely beaten, yet no corner
            continue
        xs += [wait.value] * 2
        ys += [ys[-1], fid.value]
    xs.append(max(wait.value for wait in all_waits))
    ys.append(ys[-1])
    return Series(name, role, "fit", [x * MILLISECONDS for x in xs], ys)
