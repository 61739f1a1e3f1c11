"""A report from beginning to end: one HTML file that needs nothing else, and PNGs of its main charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bench.report.chart import Chart, Stack
from bench.report.colours import DARK, LIGHT, PARTS
from bench.report.plotly_charts import figure_of
from bench.report.pngs import save_pngs
from bench.report.samples import samples_of
from bench.report.sections import Section, sections
from bench.report.sources import Sources
from bench.report.story import first_chart, tell

_MAIN_CHARTS = (
    "open",
    "closed",
    "compared",
    "goodput",
    "phases",
    "cdf-callers",
    "first-output",
    "cpu",
    "fit-whole",
    "prediction",
    "growth-streams",
    "growth-context",
    "growth-middle",
)


def write_report(sources: Sources, html_file: Path, png_folder: Path) -> list[Path]:
    """Write the report; return the PNGs. Raises OSError."""
    found = sections(sources)
    html_file.parent.mkdir(parents=True, exist_ok=True)
    beside = html_file.with_name(f".{html_file.name}.part")
    beside.write_text(page(sources, found), encoding="utf-8")
    beside.replace(html_file)
    charts = [chart for section in found for chart in section.charts if chart.key in _MAIN_CHARTS]
    return save_pngs(charts, png_folder)


def page(sources: Sources, found: Sequence[Section]) -> str:
    """Return the HTML. Whatever comes from a document is escaped: by the template, or in JSON."""
    charts = [chart for section in found for chart in section.charts]
    first = first_chart([chart for chart in charts if isinstance(chart, Chart)])
    comparison = sources.comparison
    shown = [_without(section, first) for section in found]
    rendered: str = _template().render(
        story=tell(sources),
        first=first,
        samples=[] if comparison is None else samples_of(comparison.document),
        sections=[section for section in shown if not section.is_empty],
        figures=_json({chart.key: figure_of(chart) for chart in charts}),
        colours=_json({"light": LIGHT, "dark": DARK, "parts": PARTS}),
        style=_own("style.css"),
        script=_own("page.js"),
        plotly=Markup(get_plotlyjs()),  # noqa: S704  plotly's own, from the installed package
    )
    return rendered


def _without(section: Section, first: Chart | Stack | None) -> Section:
    """Return the section without the chart that the first screen shows."""
    return replace(section, charts=tuple(chart for chart in section.charts if chart is not first))


def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(files("bench.report").joinpath("page", "page.html").read_text(encoding="utf-8"))


def _own(name: str) -> Markup:
    return Markup(files("bench.report").joinpath("page", name).read_text(encoding="utf-8"))  # noqa: S704  our own file


def _json(value: Any) -> Markup:
    """Return JSON that can stand in a script element: nothing in it can end that, or begin another."""
    text = json.dumps(value, allow_nan=False).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text)  # noqa: S704  escaped above
