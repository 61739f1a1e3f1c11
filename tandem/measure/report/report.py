"""A report from beginning to end: one HTML file that needs nothing else, and PNGs of its main charts."""

import base64
import binascii
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from PIL import Image
from plotly.offline import get_plotlyjs

from tandem.measure.report.charts.chart import DARK, LIGHT, PARTS
from tandem.measure.report.charts.interactive import figure_of
from tandem.measure.report.charts.pngs import save_pngs
from tandem.measure.report.sections import Section, sections
from tandem.measure.report.sources import Sources
from tandem.measure.report.story import QUESTION, first_chart, tell
from tandem.measure.results.comparison import Comparison, Served
from tandem.measure.results.files import whole

_MAX_PIXELS = 4_000_000
# For whoever looks closer, in the page alone.
_WITHOUT_PNG = ("cdf-alone", "cdf-load", "fit-unit", "growth-prefill")


def write_report(sources: Sources, html_file: Path, png_folder: Path) -> list[Path]:
    """Write the report; return the PNGs. Raises OSError."""
    found = sections(sources)
    html_file.parent.mkdir(parents=True, exist_ok=True)
    with whole(html_file) as target:
        target.write_text(page(sources, found), encoding="utf-8")
    charts = [chart for section in found for chart in section.charts if chart.key not in _WITHOUT_PNG]
    return save_pngs(charts, png_folder)


def page(sources: Sources, found: Sequence[Section]) -> str:
    """Return the HTML. Whatever comes from a document is escaped: by the template, or in JSON."""
    charts = [chart for section in found for chart in section.charts]
    first = first_chart(charts)
    below = [replace(each, charts=[chart for chart in each.charts if chart is not first]) for each in found]
    rendered: str = template("page.html").render(
        question=QUESTION,
        story=tell(sources),
        first=first,
        samples=[] if sources.comparison is None else samples_of(sources.comparison),
        sections=[section for section in below if not section.is_empty],
        figures=_json({chart.key: figure_of(chart) for chart in charts}),
        colours=_json({"light": LIGHT, "dark": DARK, "parts": PARTS}),
        style=_own("style.css"),
        script=_own("page.js"),
        plotly=Markup(get_plotlyjs()),  # noqa: S704  plotly's own, from the installed package
    )
    return rendered


def template(name: str) -> Template:
    """Return a template of the folder `page`; whatever it is given is escaped."""
    loader = PackageLoader("tandem.measure.report", "page")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    found.filters["with_code"] = _with_code
    return found.get_template(name)


def _with_code(text: str) -> Markup:
    """Return the text escaped, and what stands between backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped


def _own(name: str) -> Markup:
    return Markup(files("tandem.measure.report").joinpath("page", name).read_text(encoding="utf-8"))  # noqa: S704  our own file


def _json(value: Any) -> Markup:
    """Return JSON that can stand in a script element: nothing in it can end that, or begin another."""
    text = json.dumps(value, allow_nan=False).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup(text)  # noqa: S704  escaped above


def samples_of(comparison: Comparison) -> list[tuple[Served, str, str]]:
    """Return what each model served, its images as base64 of a PNG, or empty, and a caption."""
    return [(each, checked_png(each.samples_png), _caption(each)) for each in comparison.served]


def checked_png(text: str) -> str:
    """Return the image as a PNG that we have written ourselves; empty if it is none."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            if image.width * image.height > _MAX_PIXELS:
                return ""
            file = io.BytesIO()
            image.convert("L" if image.mode in ("1", "L") else "RGB").save(file, "PNG")
    except (OSError, ValueError, SyntaxError, binascii.Error):
        return ""
    return base64.b64encode(file.getvalue()).decode()


def _caption(served: Served) -> str:
    text = f"Of {served.num_images:,} images served in this run, a row each class."
    if served.quality is None:
        return text
    own, floor = served.quality.model, served.quality.floor
    return f"{text} The judge takes {own.accuracy:.0%} for the class asked for, of real ones {floor.accuracy:.0%}."
