"""Sentences and tables: templates over documents, in templates/*.txt, a file for each kind. Computes nothing: what
templates can ask for is in `findings`, and in `_VALUES`.
"""

import re
from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tandem.measure import formats
from tandem.measure.report import findings
from tandem.measure.report.tables import Cell, Table, read_tables, value_cell
from tandem.measure.results.crossover import Crossover, FitPoint, FittedCurve
from tandem.measure.results.header import Header
from tandem.measure.results.text import CHECKED_GAIN
from tandem.measure.results.value import PHASES, Value
from tandem.measure.statistics.curve import curve_of
from tandem.measure.studies.fit import capacity


class Answer(NamedTuple):
    """A question and its answer. `key` names the question for programs."""

    key: str
    asked: str
    text: str


def paragraphs(name: str, *values: Any) -> list[str]:
    """Return the paragraphs of a macro, such as "growth.caveats", each in one line; none where it says nothing."""
    text = _render(environment(), name, values)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def sentence(name: str, *values: Any) -> str:
    """Return all paragraphs of a macro as one."""
    return " ".join(paragraphs(name, *values))


def tables(name: str, *values: Any) -> list[Table]:
    """Return the tables of a macro, such as "growth.tables", that have a row."""
    return list(read_tables(_render(environment(is_escaping=True), name, values)))


def _render(templates: Environment, name: str, values: Any) -> str:
    file, _, macro = name.partition(".")
    return str(getattr(templates.get_template(f"{file}.txt").module, macro)(*values))


def answers(found: Crossover) -> list[Answer]:
    """Return what was measured, and of what was fitted that whose fits are good."""
    return [Answer(*text.split(" | ", 2)) for text in paragraphs("crossover.answers", found)]


def problems(document: Header) -> list[str]:
    """Return what is wrong with a document."""
    partial = ["PARTIAL: this measurement did not go to its end"] if document.is_partial else []
    return [*partial, *paragraphs("audits.problem", document.audits), *document.problems]


@cache
def environment(is_escaping: bool = False) -> Environment:
    """Return where templates are; what documents say comes as it is, or escaped, as for the page and for tables."""
    loader = PackageLoader("tandem.measure.report", "templates")
    found = Environment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=is_escaping,  # noqa: S701  plain text otherwise
        finalize=_escape if is_escaping else None,
    )
    found.filters |= {name: value for name, value in _FINDINGS.items() if callable(value)} | _SHOWS | _FILTERS
    found.globals |= _SHOWS | _VALUES
    return found


def _escape(value: Any) -> Markup:
    """Return a value as HTML, with nothing in it that could end a cell."""
    if isinstance(value, Markup):
        return value
    return Markup(str(escape(value)).replace("|", "&#124;").replace("\n", "&#10;"))  # noqa: S704  escaped


def _by(things: Iterable[Any], name: str) -> dict[str, Any]:
    return {getattr(thing, name): thing for thing in things}


def _sound(problems: Iterable[str]) -> list[str]:
    return [problem for problem in problems if not problem.startswith("INVALID")]


def _capitalise(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}"


def _get(things: Iterable[Any], path: str) -> list[Any]:
    """Return a field of each thing, of None None."""
    return [None if thing is None else attrgetter(path)(thing) for thing in things]


def _figures(points: Iterable[Any], name: str) -> list[Value | None]:
    """Return a figure of each point; None where it is not known, and of None."""
    return [None if point is None else point.figures.get(name) for point in points]


def _cell(value: Any, show: formats.Show = str) -> str | Cell:
    """Return the cell of a value with its interval, of a number, or of what is not known."""
    return value_cell(value, show) if isinstance(value, Value) else formats.optional(value, show)


def _cells(values: Iterable[Any], show: formats.Show = str) -> Markup:
    """Return cells beside each other."""
    return Markup(" | ").join(_escape(_cell(value, show)) for value in values)


def _most_off(curve: FittedCurve) -> FitPoint:
    return max(curve.points, key=lambda point: abs(point.relative_residual))


_NAMES = ("number", "count", "share", "factor", "seconds", "milliseconds", "quantity", "two_digits", "with_interval")
_SHOWS: dict[str, Any] = {name: getattr(formats, name) for name in (*_NAMES, "ends", "optional")}
_SHOWS |= {"percent": "{:.0%}".format, "bits": formats.decimals(3), "hundredfold": formats.decimals(0, 100)}
_FILTERS = {"signed": "{:+,.3g}".format, "by": _by, "sound": _sound, "capitalise": _capitalise}
_FILTERS |= {"get": _get, "figures": _figures, "cell": _cell, "cells": _cells}
_FINDINGS = {name: value for name, value in vars(findings).items() if not name.startswith("_")}
_VALUES: dict[str, Any] = {
    **_FINDINGS,
    **{name: getattr(capacity, name) for name in ("tried", "is_met", "is_telling", "LEAST_REQUESTS")},
    "Cell": Cell,
    "CHECKED_GAIN": CHECKED_GAIN,
    "NONE": formats.NONE,
    "PHASES": PHASES,
    "curve_of": curve_of,
    "decimals": formats.decimals,
    "most_off": _most_off,
}
"""What templates can ask for beside their document."""
