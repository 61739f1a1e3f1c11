"""A report from beginning to end: one HTML file that needs nothing else, and PNGs of its main charts."""

import base64
import binascii
import io
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from tandem.measure import formats
from tandem.measure.report.charts.chart import Chart, Stack
from tandem.measure.report.charts.drawing import draw_svg, save_pngs
from tandem.measure.report.charts.load import cost_chart, load_charts
from tandem.measure.report.charts.quality import KEY, quality_chart
from tandem.measure.report.charts.studies import fit_charts, growth_charts, law_chart
from tandem.measure.report.charts.times import cdf_charts, first_output_chart, phase_stack
from tandem.measure.report.front import points_of
from tandem.measure.report.prose import answers, paragraphs
from tandem.measure.report.sources import Sources, matched_runs
from tandem.measure.report.story import QUESTION, tell
from tandem.measure.report.tables.comparison import comparison_tables, phase_table, terms_table
from tandem.measure.report.tables.load import run_table
from tandem.measure.report.tables.quality import quality_tables
from tandem.measure.report.tables.studies import modes_between, study_tables
from tandem.measure.results.files import whole

_MAX_PIXELS = 4_000_000
_LOAD_KEYS = ("open", "closed", "goodput", "compared")
# For whoever looks closer, in the page alone.
_WITHOUT_PNG = ("cdf-alone", "cdf-load", "fit-unit", "growth-prefill")
_TABLES = (comparison_tables, phase_table, quality_tables, run_table, study_tables, terms_table)


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
    found: list[Chart | Stack | None] = [quality_chart(points_of(sources))]
    found += [] if sources.steps is None else [law_chart(sources.steps)]
    found += load_charts(runs, comparison if is_matched else None)
    found += [cost_chart(comparison)] if comparison is not None and is_matched else []
    found += [phase_stack(runs, comparison), *cdf_charts(runs, comparison)]
    found += [] if comparison is None else [first_output_chart(comparison)]
    found += [] if sources.crossover is None else fit_charts(sources.crossover)
    if sources.growth is not None:
        found += growth_charts(sources.growth, modes_between(sources.growth, comparison))
    return [chart for chart in found if chart is not None and not chart.is_empty]


def page(sources: Sources, charts: Sequence[Chart | Stack]) -> str:
    """Return the HTML. Whatever comes from a document is escaped, by the template or in the charts."""
    loader = PackageLoader("tandem.measure.report", "templates")
    html = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    shows = {"count": formats.count, "number": formats.number, "optional": formats.optional, "percent": "{:.0%}".format}
    html.filters |= {**shows, "with_code": _with_code}
    html.globals |= shows | {table.__name__: table for table in _TABLES}
    html.globals |= {"answers": answers, "rewrite_png": rewrite_png, "paragraphs": paragraphs, "svg": _svg}
    growth, first = sources.growth, first_chart(charts)
    keys = [chart.key for chart in charts]
    rendered: str = html.get_template("page.html").render(
        question=QUESTION,
        sources=sources,
        story=tell(sources),
        first=first,
        charts={chart.key: chart for chart in charts if chart is not first},
        load_keys=[key for key in _LOAD_KEYS if key in keys],
        modes=() if growth is None else modes_between(growth, sources.comparison),
        method=paragraphs("report.method", sources),
        caveats=paragraphs("report.caveats", sources),
        style=Markup(files("tandem.measure.report").joinpath("templates", "style.css").read_text()),  # noqa: S704  our own
    )
    return rendered


def first_chart(charts: Sequence[Chart | Stack]) -> Chart | None:
    """Return the one chart of the first screen: cost against quality, or else latency over load, of both paradigms if
    there is such a one.
    """
    by_key = {chart.key: chart for chart in charts if isinstance(chart, Chart)}
    if KEY in by_key:
        return by_key[KEY]
    known = [by_key[key] for key in ("open", "compared", "closed") if key in by_key]
    return next(filter(_has_both, known), known[0] if known else None)


def _has_both(chart: Chart) -> bool:
    """Return whether both paradigms have a curve: three sound points at least."""
    curves = {series.role for series in chart.series if series.style == "line" and len(series.x) >= 3}
    return {"sequential", "parallel"} <= curves


def _svg(chart: Chart | Stack) -> Markup:
    return Markup(draw_svg(chart))  # noqa: S704  an XML library has written it


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
