"""A report from beginning to end: one HTML file that needs nothing else, and PNGs of its main charts."""

import base64
import binascii
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup, escape
from PIL import Image

from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.drawing import draw_svg, save_pngs
from tandem.measure.report.charts.load import cdf_charts, cost_chart, first_output_chart, load_charts, phase_stack
from tandem.measure.report.charts.studies import (
    KEY,
    TEXT_KEY,
    fit_charts,
    growth_charts,
    law_chart,
    quality_chart,
    text_chart,
)
from tandem.measure.report.findings import of_paradigm, points_of
from tandem.measure.report.prose import answers, environment, paragraphs, tables
from tandem.measure.report.sources import Sources, matched_runs
from tandem.measure.report.tables import Table
from tandem.measure.results.files import whole

_MAX_PIXELS = 4_000_000
_LOAD_KEYS = ("open", "closed", "goodput", "compared")
# For whoever looks closer, in the page alone.
_WITHOUT_PNG = ("cdf-alone", "cdf-load", "fit-unit", "growth-prefill")
QUESTION = "What does it cost to draw an image in sequence, and what does it buy?"


def write_report(sources: Sources, html_file: Path, png_folder: Path) -> list[Path]:
    """Write the report; return the PNGs. Raises OSError."""
    charts = charts_of(sources)
    html_file.parent.mkdir(parents=True, exist_ok=True)
    with whole(html_file) as target:
        target.write_text(page(sources, charts), encoding="utf-8")
    return save_pngs([chart for chart in charts if chart.key not in _WITHOUT_PNG], png_folder)


def charts_of(sources: Sources) -> list[Chart | Stack]:
    """Return all charts that show something."""
    runs, comparison = matched_runs(sources.runs), sources.comparison
    is_matched = comparison is None or comparison.is_matched
    found: list[Chart | Stack | None] = [quality_chart(points_of(sources.steps or comparison))]
    found += [] if sources.steps is None else [law_chart(sources.steps)]
    found += [] if sources.text is None else [text_chart(sources.text)]
    found += load_charts(runs, comparison if is_matched else None)
    found += [cost_chart(comparison)] if comparison is not None and is_matched else []
    found += [phase_stack(runs, comparison), *cdf_charts(runs, comparison)]
    found += [] if comparison is None else [first_output_chart(comparison)]
    found += [] if sources.crossover is None else fit_charts(sources.crossover)
    found += [] if sources.growth is None else growth_charts(sources.growth)
    return [chart for chart in found if chart is not None and not chart.is_empty]


def page(sources: Sources, charts: Sequence[Chart | Stack]) -> str:
    """Return the HTML. Whatever comes from a document is escaped, by the template or in the charts."""
    html = environment(is_escaping=True).overlay()
    html.filters = {**html.filters, "with_code": _with_code}
    first = first_chart(charts)
    keys = [chart.key for chart in charts]
    rendered: str = html.get_template("page.html").render(
        answers=answers,
        paragraphs=paragraphs,
        rewrite_png=rewrite_png,
        svg=lambda chart: Markup(draw_svg(chart)),  # noqa: S704  an XML library has written it
        tables=tables,
        question=QUESTION,
        sources=sources,
        story=tell(sources),
        first=first,
        charts={chart.key: chart for chart in charts if chart is not first},
        load_keys=[key for key in _LOAD_KEYS if key in keys],
        method=paragraphs("report.method", sources),
        caveats=paragraphs("report.caveats", sources),
        style=Markup(files("tandem.measure.report").joinpath("templates", "style.css").read_text()),  # noqa: S704  our own
    )
    return rendered


@dataclass(frozen=True)
class Story:
    """`sentences` answer the question, each begins with what of it; `gains` shows what sequence buys, `missing` says
    what they lack, and why; `warnings` come before all, loudly.
    """

    sentences: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    gains: Table | None = None


def tell(sources: Sources) -> Story:
    """Return what the first screen tells: what of these documents answers the question."""
    warnings = tuple(paragraphs("answer.warnings", sources))
    document = sources.steps or sources.comparison
    if document is None and sources.text is not None:
        return Story(tuple(paragraphs("text.explanation", sources.text)), (), warnings)
    if document is None:
        return Story((), tuple(paragraphs("answer.nothing")), warnings)
    if not document.is_matched:
        costs, left_out = paragraphs("answer.unmatched", document)
        return Story((costs,), (left_out,), warnings, tables("comparison.different_work", document)[0])
    points = points_of(document)
    first, second = of_paradigm(points, "sequential"), of_paradigm(points, "parallel")
    pair = None if first is None or second is None else (first, second)
    capacities = [] if sources.crossover is None else sources.crossover.capacities
    # Where open loops had the same objective.
    brackets = {
        capacity.model: (capacity.low_per_second, capacity.high_per_second)
        for capacity in capacities
        if capacity.slo_seconds == document.settings.slo_seconds
    }
    machine = document.machine if document.is_local else None
    sentences = paragraphs("answer.sentences", points, pair, machine, document.settings.slo_seconds, brackets)
    if sentences and sources.comparison is not None:
        sentences[1:1] = paragraphs("answer.terms", sources.comparison)
    missing = paragraphs("answer.missing", points, document, capacities, bool(sentences))
    gains = [] if pair is None else tables("quality.gains", *pair, document.class_names, sources.comparison)
    return Story(tuple(sentences), tuple(missing), warnings, *gains)


def first_chart(charts: Sequence[Chart | Stack]) -> Chart | None:
    """Return the one chart of the first screen: cost against quality, or else latency over load, with a curve of
    both paradigms, three sound points at least, if there is such a one.
    """
    by_key = {chart.key: chart for chart in charts if isinstance(chart, Chart)}
    if KEY in by_key:
        return by_key[KEY]
    known = [by_key[key] for key in ("open", "compared", "closed", TEXT_KEY) if key in by_key]
    for chart in known:
        curves = {series.role for series in chart.series if series.style == "line" and len(series.x) >= 3}
        if {"sequential", "parallel"} <= curves:
            return chart
    return known[0] if known else None


def _with_code(text: str) -> Markup:
    """Return the text escaped, and what stands between backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped


def rewrite_png(text: str) -> str:
    """Return an image in base64 as a PNG that we have written ourselves; empty if it is none."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            if image.width * image.height > _MAX_PIXELS:
                return ""
            file = io.BytesIO()
            image.convert("L" if image.mode in ("1", "L") else "RGB").save(file, "PNG")
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return ""
    return base64.b64encode(file.getvalue()).decode()
