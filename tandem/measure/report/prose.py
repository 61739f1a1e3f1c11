"""Sentences: templates over documents, in templates/*.txt, a file for each kind. Computes nothing: `_VALUES` are what
templates can ask for.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tandem.measure import formats
from tandem.measure.report import contests, contrasts, front, verdict
from tandem.measure.results.crossover import Crossover, FitPoint, FittedCurve
from tandem.measure.results.growth import DraftPoint, DraftResult
from tandem.measure.results.header import Header
from tandem.measure.statistics.curve import curve_of
from tandem.measure.studies.fit import capacity
from tandem.measure.studies.growth.texts import TEXTS


class Answer(NamedTuple):
    """A question and its answer. `key` names the question for programs."""

    key: str
    asked: str
    text: str


def paragraphs(name: str, *values: Any) -> list[str]:
    """Return the paragraphs of a macro, such as "growth.caveats", each in one line; none where it says nothing."""
    file, _, macro = name.partition(".")
    text = getattr(_environment().get_template(f"{file}.txt").module, macro)(*values)
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]


def sentence(name: str, *values: Any) -> str:
    """Return all paragraphs of a macro as one."""
    return " ".join(paragraphs(name, *values))


def answers(found: Crossover) -> list[Answer]:
    """Return what was measured, and of what was fitted that whose fits are good."""
    return [Answer(*text.split(" | ", 2)) for text in paragraphs("crossover.answers", found)]


def problems(document: Header) -> list[str]:
    """Return what is wrong with a document."""
    partial = ["PARTIAL: this measurement did not go to its end"] if document.is_partial else []
    return [*partial, *paragraphs("audits.problem", document.audits), *document.problems]


@cache
def _environment() -> Environment:
    loader = PackageLoader("tandem.measure.report", "templates")
    # Plain text: the page escapes what it takes from here.
    found = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    shows = {
        name: getattr(formats, name)
        for name in (
            "number",
            "count",
            "share",
            "seconds",
            "quantity",
            "two_digits",
            "with_interval",
            "ends",
            "optional",
        )
    }
    shows |= {"percent": "{:.0%}".format, "bits": formats.decimals(3), "hundredfold": formats.decimals(0, 100)}
    found.filters |= shows | {"signed": "{:+,.3g}".format, "by": _by, "sound": _sound, "capitalise": _capitalise}
    found.globals |= shows | _VALUES
    return found


def _by(things: Iterable[Any], name: str) -> dict[str, Any]:
    return {getattr(thing, name): thing for thing in things}


def _sound(problems: Iterable[str]) -> list[str]:
    return [problem for problem in problems if not problem.startswith("INVALID")]


def _capitalise(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}"


def _most_off(curve: FittedCurve) -> FitPoint:
    return max(curve.points, key=lambda point: abs(point.relative_residual))


def _ranked_drafts(points: Iterable[DraftPoint]) -> tuple[tuple[DraftPoint, DraftResult], ...]:
    """Return the case that gains least, and the one that gains most."""
    cases = [(point, result) for point in points for result in point.results[1:]]
    ranked = sorted(cases, key=lambda case: case[1].ratio.value)
    return ranked[0], ranked[-1]


_VALUES: dict[str, Any] = {
    **{name: getattr(contests, name) for name in ("contest_groups", "latency_ratios", "cost_ratios", "between")},
    **{name: getattr(contests, name) for name in ("RESOLVED_LATENCY", "RESOLVED_COST")},
    **{name: getattr(contrasts, name) for name in ("contrast", "least_difference", "ratio_of")},
    **{name: getattr(front, name) for name in ("wait_of", "cpu_of", "fid_of", "tokenizer_fid", "name_of")},
    **{name: getattr(front, name) for name in ("of_paradigm", "fewest_steps", "AS_GOOD")},
    **{name: getattr(capacity, name) for name in ("tried", "LEAST_REQUESTS")},
    "verdict": verdict.Verdict,
    "verdicts": verdict.verdicts,
    "VIEWS": verdict.VIEWS,
    "TEXTS": TEXTS,
    "curve_of": curve_of,
    "most_off": _most_off,
    "ranked_drafts": _ranked_drafts,
}
"""What templates can ask for beside their document."""
