"""The pages that state measured figures, rendered from the results: `python -m benchmarks.release.pages` writes them.

docs/templates/X.j2 is rendered to X. A template sees `results`, the files of benchmarks/results by their names, and
`models`, the JSON files beside each model by model and name. A figure is a placeholder with a filter that formats it.
A result that is no document of the tester's has a page of its own beside it, with all of its figures.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import bar_cells, page, read
from tandem.measure import formats
from tandem.measure.report.tables import value_cell
from tandem.measure.results.files import whole
from tandem.measure.results.value import Value

RESULTS = ROOT / "benchmarks" / "results"
TEMPLATES = ROOT / "docs" / "templates"
_SHOWS = {show.__name__: show for show in (formats.number, formats.count, formats.share, formats.factor)}
_SHOWS |= {"seconds": formats.seconds}
_VECTORS = {"avx512_bf16": " (AVX-512 with VNNI and bfloat16)", "avx512f": " (AVX-512)", "avx2": " (AVX2)"}


def render() -> dict[Path, str]:
    """Return the text of every page that has a template, and of those of the results.

    Raises UndefinedError for a figure that is not there.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  Markdown of our own files
    )
    environment.filters |= {name: functools.partial(_show, show) for name, show in _SHOWS.items()}
    environment.filters["shown"] = lambda value, name: _show(_SHOWS[name], value)
    environment.filters["fixed"] = lambda value, digits, scale=1.0: _show(formats.decimals(digits, scale), value)
    results = {path.stem: read(path) for path in sorted(RESULTS.glob("*.json"))}
    environment.globals |= {"results": results, "models": _models()}
    environment.globals |= {helper.__name__: helper for helper in (pick, describe, list_bars)}
    names = environment.list_templates(extensions=["j2"])
    pages = {ROOT / name.removesuffix(".j2"): environment.get_template(name).render() for name in names}
    return pages | {RESULTS / f"{name}.md": page(name, found) for name, found in results.items() if name != "pair"}


def write() -> None:
    """Write every page."""
    for path, text in render().items():
        with whole(path) as target:
            target.write_text(text)


def pick(things: Iterable[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    """Return the first of some things that has these values; None if none has."""
    return next((thing for thing in things if all(thing.get(name) == value for name, value in wanted.items())), None)


def describe(result: dict[str, Any]) -> str:
    """Return which commit a result is of, when and on what it was measured."""
    around = result["surroundings"]
    vectors = next((name for flag, name in _VECTORS.items() if flag in around["instructions"]), "")
    return (
        f"Commit `{around['commit']}`, {around['date'][:10]}, {around['processor']}{vectors},"
        f" {formats.quantity(around['num_cores'], 'core')}, load average {around['load_average']} before it began."
    )


def list_bars(result: dict[str, Any]) -> list[Sequence[str]]:
    """Return a row for each bar of a result: what, the figure, the bar, the aim, and whether the figure meets it."""
    return list(map(bar_cells, result["bars"]))


def _show(show: Callable[[float], str], value: Value | float | None) -> str:
    return str(value_cell(value, show)) if isinstance(value, Value | None) else show(value)


def _models() -> dict[str, dict[str, Any]]:
    folders = sorted(path.parent for path in (ROOT / "models").glob("*/model.toml"))
    return {folder.name: {path.stem: read(path) for path in folder.glob("*.json")} for folder in folders}


if __name__ == "__main__":
    write()
