"""Tables of a comparison: a column a mode, a row a figure; where the time goes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from tandem.measure.formats import (
    NONE,
    Show,
    count,
    ends,
    factor,
    milliseconds,
    number,
    optional,
    quantity,
    seconds,
)
from tandem.measure.report.charts.chart import Stack
from tandem.measure.report.contrasts import advantage
from tandem.measure.report.front import tokenizer_fid
from tandem.measure.report.tables.quality import FIGURES, LOST, quality_tables, tokenizer_loss
from tandem.measure.report.tables.table import Cell, Row, Table, value_cell
from tandem.measure.results.comparison import (
    ALONE,
    BesideResult,
    Comparison,
    ForeignResult,
    Metric,
    ModeResult,
    Point,
    Work,
)
from tandem.measure.results.header import ServedModel
from tandem.measure.results.value import Value

_Pick = Callable[[Point], Value | None]
# metric: how it is called below a name, how it is written, where it is
_TIMES: dict[str, tuple[str, Show, _Pick]] = {
    "first_output_p50_seconds": ("first output", seconds, lambda found: found.first_output.p50),
    "latency_p50_seconds": ("whole image", seconds, lambda found: found.latency.p50),
    "latency_p99_seconds": ("p99", seconds, lambda found: found.latency.p99),
}
_LOAD: dict[str, tuple[str, Show, _Pick]] = {
    "images_per_second": ("images/s", number, lambda point: point.images_per_second),
    **_TIMES,
    "cpu_seconds_per_image": ("servers' CPU/image", seconds, lambda point: point.cpu_seconds_per_image.servers),
    "client": ("client's CPU/image", seconds, lambda point: point.cpu_seconds_per_image.client),
}
_TERMS: tuple[Metric, ...] = ("latency_p50_seconds", "images_per_second", "cpu_seconds_per_image")
# What the figures of a model rest on.
_FORMS: dict[str, Callable[[ServedModel], str]] = {
    "computed in": lambda model: model.dtype or NONE,
    "by": lambda model: model.runtime or model.device or NONE,
    "instances x threads": lambda model: f"{model.num_instances or NONE} x {model.threads_per_instance or NONE}",
}
# What is known of a foreign server.
_FOREIGN: dict[str, tuple[str, Show]] = {
    "first_output_p50_seconds": ("first token", seconds),
    "latency_p50_seconds": ("all tokens", seconds),
    "latency_p99_seconds": ("  p99", seconds),
    "images_per_second": ("answers/s", number),
}


def comparison_tables(document: Comparison) -> list[Table]:
    """Return the modes at each load, what comes beside them, and the quality of the images if it was measured."""
    rows = [row for concurrency in document.settings.concurrencies for row in _load(document, concurrency)]
    name = f"{_name_figure(document, 'images/s')}, p99 within\n {seconds(document.settings.slo_seconds)}"
    rows.append(Row((name, *map(highest_rate, document.modes), ""), begins_part=True))
    found = [] if document.is_matched else [work_table(document)]
    found.append(_modes_table(document, [*_forms(document), *rows], "with one caller, and under load"))
    if document.beside:
        found.append(terms_table(document, document.beside))
    if document.foreign:
        found.append(_foreign(document, document.foreign))
    return [*found, *quality_tables(document)]


def _foreign(document: Comparison, foreign: ForeignResult) -> Table:
    """Return a foreign server's modes, and how many times as much as ours each figure is."""
    rows = []
    for concurrency in document.settings.concurrencies:
        where = quantity(concurrency, "caller")
        for metric, (name, show) in _FOREIGN.items():
            cells: list[str | Cell] = []
            for contrast in foreign.contrasts:
                if (contrast.concurrency, contrast.metric) == (concurrency, metric):
                    cells += [
                        show(contrast.first_value),
                        show(contrast.second_value),
                        value_cell(contrast.ratio, factor),
                    ]
            rows += [Row((f"{where}: {name}", *cells))] if cells else []
    heads = [f"{mode.delivery}\n{whose}" for mode in foreign.modes for whose in ("foreign", "ours", "ratio")]
    title = f"{foreign.model} at {foreign.address}: texts of {foreign.num_tokens} tokens, beside our images of as many"
    return Table(("", *heads), rows, title)


def race_table(document: Comparison) -> Table:
    """Return the table of a comparison with one caller."""
    rows = list(_load(document, ALONE))
    totals = [(sum(mode.codes.values()), mode.codes.get("OK", 0)) for mode in document.modes]
    cells = [f"{count(total)}, {count(total - ok)}" for total, ok in totals]
    rows = [*_forms(document), *rows, Row(("requests, failed", *cells, ""))]
    what = "one image of a class" if document.is_matched else "one request"
    return _modes_table(document, rows, f"race: {what}, one caller")


def work_table(document: Comparison) -> Table:
    """Return what each of two models costs that do different work, by request and by output, of unary calls."""
    works = [document.work[model.paradigm] for model in document.models]
    unary = [mode for mode in document.modes if mode.delivery == "unary"]
    rows = [Row(("a request", *(work.name for work in works)))]
    for load in dict.fromkeys((ALONE, max(document.settings.concurrencies))):
        points = _points(unary, load)
        waits = [value_cell(point.latency.p50 if point else None, seconds) for point in points]
        rows.append(Row((f"{quantity(load, 'caller')}: a request, p50", *waits), begins_part=True))
        for name, pick in (("outputs a second", _rate), ("outputs a server's CPU-second", _per_cpu)):
            pairs = zip(works, points, strict=True)
            cells = [_outputs(work, pick(work, point) if point else None) for work, point in pairs]
            rows.append(Row((f"  {name}", *cells)))
    heads = ("", *(f"{model.name}\n{model.paradigm}" for model in document.models))
    return Table(heads, rows, "different work: what each costs, not which is better")


def _outputs(work: Work, value: Value | None) -> Cell:
    return Cell(NONE) if value is None else Cell(f"{number(value.value)} {work.unit}s", ends(value, number))


def _rate(work: Work, point: Point) -> Value:
    return _change_unit(point.images_per_second, lambda rate: rate * work.num_outputs)


def _per_cpu(work: Work, point: Point) -> Value | None:
    servers = point.cpu_seconds_per_image.servers
    return _change_unit(servers, lambda cpu: work.num_outputs / cpu) if servers and servers.value else None


def _change_unit(value: Value, change: Callable[[float], float]) -> Value:
    """Return a value in another unit, with the ends of its interval."""
    changed = sorted(change(end) for end in (value.low, value.high) if end)
    low, high = changed if len(changed) == 2 else (None, None)
    return value.model_copy(update={"value": change(value.value), "low": low, "high": high})


def readme_table(document: Comparison) -> Table:
    """Return the modes at the least and the greatest load, and quality, for a README."""
    ladder = document.settings.concurrencies
    rows = [row for number in dict.fromkeys((min(ladder), max(ladder))) for row in _load(document, number)]
    qualities = {served.paradigm: served.quality for served in document.served}
    found = [qualities[mode.paradigm] for mode in document.modes]
    for metric, (name, show) in FIGURES.items() if any(found) else ():
        rows.append(Row((name, *(show(getattr(judged.model, metric)) if judged else NONE for judged in found), "")))
    if any(map(tokenizer_fid, found)):
        rows.append(Row((LOST, *map(tokenizer_loss, found), "")))
    return _modes_table(document, [*_forms(document), *rows])


def _modes_table(document: Comparison, rows: Sequence[Row], title: str = "") -> Table:
    heads = ("", *(f"{mode.paradigm}\n{mode.delivery}" for mode in document.modes))
    if document.is_matched:
        return Table((*heads, "parallel\nbetter by"), rows, title)
    return Table(heads, [replace(row, cells=row.cells[:-1]) for row in rows], title)


def _name_figure(document: Comparison, name: str) -> str:
    """Return a figure's name, where a request may be for no image, too."""
    return name if document.is_matched else name.replace("whole image", "whole answer").replace("image", "request")


def _forms(document: Comparison) -> Iterator[Row]:
    """Yield what each mode's model computes in, and on what share of the cores."""
    models = {model.paradigm: model for model in document.models}
    for name, of in _FORMS.items():
        yield Row((name, *(of(models[mode.paradigm]) for mode in document.modes), ""))


def terms_table(document: Comparison, beside: BesideResult) -> Table:
    """Return the pair as it is served, and in one precision, both of the same rounds."""
    unary = [mode for mode in document.modes if mode.delivery == "unary"]
    loads = dict.fromkeys((ALONE, max(document.settings.concurrencies)))
    rows = []
    for title, models, modes, contrasts in (
        ("as served", document.models, unary, document.contrasts),
        (beside.form, beside.models, beside.modes, beside.contrasts),
    ):
        forms = [" ".join(of(model) for of in _FORMS.values()) for model in models]
        rows.append(Row((title, *forms, ""), begins_part=True))
        pair = (modes[0].name, modes[1].name)
        of_pair = [contrast for contrast in contrasts if (contrast.first, contrast.second) == pair]
        ratios = {(contrast.concurrency, contrast.metric): contrast.ratio for contrast in of_pair}
        for load in loads:
            points = _points(modes, load)
            for metric in _TERMS:
                name, show, pick = _LOAD[metric]
                cells = [value_cell(pick(point) if point else None, show) for point in points]
                ratio = value_cell(ratios.get((load, metric)), factor)
                rows.append(Row((f"  {quantity(load, 'caller')}: {name}", *cells, ratio)))
    return Table(("", *(mode.paradigm for mode in unary), "sequential /\nparallel"), rows, "on what terms")


def _load(document: Comparison, concurrency: int) -> Iterator[Row]:
    """Yield a row a figure of all modes; the last cell says how many times better the unary parallel call is."""
    for place, (metric, (name, show, pick)) in enumerate(_LOAD.items()):
        values = [pick(point) if point else None for point in _points(document.modes, concurrency)]
        if not (place or any(values)):
            return
        better, name = advantage(document, concurrency, metric), _name_figure(document, name)
        label = f"  {name}" if place else f"{quantity(concurrency, 'caller')}: {name}"
        cells = [value_cell(value, show) for value in values]
        yield Row((label, *cells, "" if better is None else value_cell(better, factor)), begins_part=not place)


def _points(modes: Sequence[ModeResult], concurrency: int) -> list[Point | None]:
    """Return the point of each mode with so many callers."""
    return [next((point for point in mode.curve if point.concurrency == concurrency), None) for mode in modes]


def highest_rate(mode: ModeResult) -> str:
    """Return the capacity of a mode as text."""
    if mode.capacity is None:
        return NONE
    if mode.capacity.images_per_second is None:
        return "none"
    return ("≥ " if mode.capacity.is_lower_bound else "") + number(mode.capacity.images_per_second)


def phase_table(stack: Stack) -> Table:
    """Return the stack's figures; the last column is the sum, which is what the client waited."""
    parts = [[optional(row.parts.get(name), milliseconds) for name, *_ in stack.parts] for row in stack.rows]
    rows = [Row((row.label, *own, milliseconds(row.total_seconds))) for row, own in zip(stack.rows, parts, strict=True)]
    heads = ("mean, ms", *(text for _, text, _ in stack.parts), "sum")
    return Table(heads, rows, "Where the time goes, in milliseconds")
