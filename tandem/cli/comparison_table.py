"""How a comparison is shown to people: what it comes to in sentences, and a table of the four ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.compare.document import Comparison, Contrast, Cpu, Estimate, Point, Quality, QualityFigures, WayResult
from tandem.cli.terminal import seconds_text

NONE = "-"
_UNIT = "x Jmsµ"  # the characters of all units
UNARY = ("sequential unary", "parallel unary")
# metric of quality: how it is called, how it is written
QUALITY_ROWS = {
    "fid": ("FID (lower is better)", "{:.2f}"),
    "accuracy": ("accuracy of the class", "{:.3f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "coverage": ("coverage", "{:.3f}"),
}

Shown = Callable[[float], str]
Cells = tuple[str, list[str], str]  # row's name, a cell a way, the ratio's cell


def comparison_tables(document: Comparison) -> Group:
    """Return everything a person should see."""
    parts: list[Table | Text] = [Text("\n".join(headlines(document))), _filled_table(document)]
    if any(served.quality for served in document.served):
        parts.append(quality_table(document))
    parts += [Text(line, style="dim") for line in small_print(document)]
    return Group(*parts)


def headlines(document: Comparison) -> Iterator[str]:
    """Yield what it comes to, in sentences."""
    sequential, parallel = (model.name for model in document.models)
    if document.is_partial:
        yield "PARTIAL: this comparison did not go to its end."
    height, width, *_ = document.models[0].image_shape
    what = f"One {height}x{width} image of a class, asked for alone"
    found = contrast(document, UNARY, None, "latency_p50_seconds")
    if found is None:
        yield f"{what}: nothing was measured."
        return
    first, second = (seconds_text(value) for value in (found.first_value, found.second_value))
    yield f"{what}: {second} from {parallel} (parallel), {first} from {sequential} (sequential), {_times(found)}."
    token = contrast(document, ("sequential streamed", "parallel streamed"), None, "first_output_p50_seconds")
    if token is not None:
        yield f"Streamed, the first token of the sequential one is there after {seconds_text(token.first_value)}."
    if document.settings.concurrencies:
        rates = contrast(document, UNARY, max(document.settings.concurrencies), "images_per_second")
        if rates is not None:
            yield (
                f"With {rates.concurrency} callers at a time: {rates.second_value:,.0f} images/s in parallel,"
                f" {rates.first_value:,.0f} in sequence."
            )


def _times(found: Contrast) -> str:
    if found.ratio is None:
        return "too little to compare"
    ratio = found.ratio
    sure = "" if ratio.low is None or ratio.high is None else f" ({ratio.low:.3g} to {ratio.high:.3g})"
    return f"{ratio.value:.3g} times as long{sure}"


def contrast(document: Comparison, pair: tuple[str, str], concurrency: int | None, metric: str) -> Contrast | None:
    """Return a contrast of a document; None if it has none."""
    wanted = (*pair, concurrency, metric)
    found = (each for each in document.contrasts if (each.first, each.second, each.concurrency, each.metric) == wanted)
    return next(found, None)


def ways_table(document: Comparison, title: str) -> Table:
    """Return an empty table with a column a way; narrow enough for 80 characters."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for way in document.ways:
        table.add_column(f"{way.paradigm}\n{way.delivery}", justify="right", overflow="fold")
    table.add_column("parallel\nbetter by", justify="right", overflow="fold")
    return table


def _filled_table(document: Comparison) -> Table:
    table = ways_table(document, "one image at a time, and under load")
    for rows in _sections(document):
        for name, cells, ratio in rows:
            table.add_row(name, *cells, ratio)
        table.add_section()
    return table


def _sections(document: Comparison) -> Iterator[list[Cells]]:
    yield list(_alone_rows(document))
    for concurrency in document.settings.concurrencies:
        yield list(_load_rows(document, concurrency))
    if document.settings.concurrencies:
        yield [_capacity_row(document), *_energy_rows(document)]


def _alone_rows(document: Comparison) -> Iterator[Cells]:
    alone = [way.alone for way in document.ways]
    for name, field, quantile in (
        ("alone: first output", "first_output", "p50"),
        ("alone: whole image", "latency", "p50"),
        ("  p99", "latency", "p99"),
    ):
        estimates = [getattr(getattr(each, field), quantile) if each else None for each in alone]
        if any(estimates):
            metric = f"{field}_{quantile}_seconds"
            yield name, [shown(each, seconds_text) for each in estimates], better_by(document, None, metric)


def _load_rows(document: Comparison, concurrency: int) -> Iterator[Cells]:
    points = [_point(way, concurrency) for way in document.ways]
    if not any(points):
        return
    callers = f"{concurrency} caller{'s' if concurrency > 1 else ''}"

    def row(name: str, pick: Callable[[Point], Estimate | None], show: Shown, metric: str) -> Cells:
        cells = [shown(pick(point) if point else None, show) for point in points]
        return name, cells, better_by(document, concurrency, metric)

    yield row(f"{callers}: images/s", lambda point: point.images_per_second, rate_text, "images_per_second")
    yield row("  whole image", lambda point: point.latency.p50, seconds_text, "latency_p50_seconds")
    yield row("  p99", lambda point: point.latency.p99, seconds_text, "latency_p99_seconds")
    yield row("  servers' CPU/image", _servers, seconds_text, "cpu_seconds_per_image")
    yield row("  client's CPU/image", lambda point: point.cpu_seconds_per_image.client, seconds_text, "")


def _servers(point: Point) -> Estimate | None:
    cpu: Cpu = point.cpu_seconds_per_image
    return cpu.servers


def _capacity_row(document: Comparison) -> Cells:
    cells = [_capacity(way) for way in document.ways]
    return f"images/s, p99 within\n {seconds_text(document.settings.slo_seconds)}", cells, ""


def _capacity(way: WayResult) -> str:
    if way.capacity is None:
        return NONE
    if way.capacity.images_per_second is None:
        return "none"
    return ("≥ " if way.capacity.is_lower_bound else "") + rate_text(way.capacity.images_per_second)


def _energy_rows(document: Comparison) -> Iterator[Cells]:
    if not document.energy.meters:
        return
    for concurrency in document.settings.concurrencies:
        points = [_point(way, concurrency) for way in document.ways]
        cells = [shown(point.joules_per_image if point else None, "{:.3g} J".format) for point in points]
        yield f"energy an image, {concurrency} callers", cells, ""


def _point(way: WayResult, concurrency: int) -> Point | None:
    return next((point for point in way.curve if point.concurrency == concurrency), None)


def better_by(document: Comparison, concurrency: int | None, metric: str) -> str:
    """Return how many times the unary parallel call is better than the sequential one, as tables show it."""
    found = advantage(document, concurrency, metric)
    return "" if found is None else shown(found, "{:.3g}x".format)


def advantage(document: Comparison, concurrency: int | None, metric: str) -> Estimate | None:
    """Return how many times the unary parallel call is better than the sequential one; above 1: better."""
    found = contrast(document, UNARY, concurrency, metric)
    if found is None or found.ratio is None:
        return None
    return _inverse(found.ratio) if metric == "images_per_second" else found.ratio


def _inverse(ratio: Estimate) -> Estimate:
    low, high = (None if each is None else 1 / each for each in (ratio.high, ratio.low))
    return ratio.model_copy(update={"value": 1 / ratio.value, "low": low, "high": high})


def shown(estimate: Estimate | None, show: Shown) -> str:
    """Return a value, and in a second line how sure it is."""
    if estimate is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return show(estimate.value)
    texts = [show(each) for each in (estimate.value, estimate.low, estimate.high)]
    value, low, high = texts
    # A unit that all three share is written once.
    if len({text.removeprefix(text.rstrip(_UNIT)) for text in texts}) == 1:
        low, high = low.rstrip(_UNIT), high.rstrip(_UNIT)
    return f"{value}\n[dim]{low}-{high}[/dim]"


def rate_text(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def quality_table(document: Comparison) -> Table:
    """Return how good the images were, next to real ones."""
    qualities = [served.quality for served in document.served]
    table = Table(title="how good these images were", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for served in document.served:
        table.add_column(f"{served.model}\n{served.paradigm}", justify="right")
    table.add_column("as many\nreal images", justify="right")
    for metric, (name, layout) in QUALITY_ROWS.items():
        table.add_row(name, *(_quality_cell(figures, metric, layout) for figures in _figures(qualities)))
    return table


def _figures(qualities: Sequence[Quality | None]) -> list[QualityFigures | None]:
    floor = next((quality.floor for quality in qualities if quality), None)
    return [*(quality.model if quality else None for quality in qualities), floor]


def _quality_cell(figures: QualityFigures | None, metric: str, layout: str) -> str:
    return NONE if figures is None else layout.format(getattr(figures, metric))


def small_print(document: Comparison) -> Iterator[str]:
    """Yield how to read it, and what to keep in mind."""
    rounds = document.ways[0].alone.latency.distribution.seconds.count if document.ways[0].alone else 0
    yield (
        f"Medians of the client's own times. Alone: {rounds:,} rounds of the four ways in random order. Below a value:"
        f" its {document.settings.confidence:.0%} confidence interval (bootstrap over rounds). Better by: unary calls."
    )
    served = " and ".join(f"{each.num_images:,} of {each.model}" for each in document.served)
    yield f"Images served: {served}. Quality: {document.judgement.note}."
    unknown = [source.process for source in document.cpu_sources if not source.is_known]
    if document.settings.concurrencies:
        if unknown:
            yield f"CPU time of the {' and the '.join(unknown)}: not known (--gateway-metrics and the like give it)."
        yield f"Energy: {document.energy.note}."
    yield from document.caveats
