"""The pages that state measured figures, rendered from the results: `python -m benchmarks.release.pages` writes them.

docs/templates/X.j2 is rendered to X. A template sees `results`, the files of benchmarks/results by their names, and
`models`, the JSON files beside each model by model and name. A figure is a placeholder with a filter that formats it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import jinja2

from benchmarks.harness.bars import Bar, bar_cells
from benchmarks.harness.servers import NOW, ROOT
from tandem.measure import formats
from tandem.measure.report.tables.table import value_cell
from tandem.measure.results.files import whole
from tandem.measure.results.value import Value

RESULTS = ROOT / "benchmarks" / "results"
TEMPLATES = ROOT / "docs" / "templates"
_SHOWS = {each.__name__: each for each in (formats.number, formats.count, formats.share, formats.factor)}
_SHOWS |= {"seconds": formats.seconds}
_VECTORS = {"avx512_bf16": " (AVX-512 with VNNI and bfloat16)", "avx512f": " (AVX-512)", "avx2": " (AVX2)"}


def render() -> dict[Path, str]:
    """Return the text of every page that has a template. Raises UndefinedError for a figure that is not there."""
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
    environment.globals |= {"results": _results(), "models": _models()}
    environment.globals |= {each.__name__: each for each in (pick, describe, list_bars)}
    names = environment.list_templates(extensions=["j2"])
    return {ROOT / name.removesuffix(".j2"): environment.get_template(name).render() for name in names}


def write() -> None:
    """Write every page that has a template."""
    for path, text in render().items():
        with whole(path) as target:
            target.write_text(text)


def pick(things: Iterable[dict[str, Any]], **wanted: Any) -> dict[str, Any] | None:
    """Return the first of some things that has these values; None if none has."""
    return next((each for each in things if all(each.get(name) == value for name, value in wanted.items())), None)


def describe(result: dict[str, Any]) -> str:
    """Return which commit a result is of, when and on what it was measured."""
    around = result["surroundings"]
    vectors = next((name for flag, name in _VECTORS.items() if flag in around["instructions"]), "")
    return (
        f"Commit `{around['commit']}`, {around['date'][:10]}, {around['processor']}{vectors},"
        f" {formats.counted(around['num_cores'], 'core')}, load average {around['load_average']} before it began."
    )


def list_bars(result: dict[str, Any]) -> list[Sequence[str]]:
    """Return a row for each bar of a result: what, the figure, the bar, the aim, and whether the figure meets it."""
    names = [each.name for each in fields(Bar)]
    return [bar_cells(Bar(**{name: bar[name] for name in names}), result["figures"], NOW) for bar in result["bars"]]


def _show(show: Callable[[float], str], value: Value | float | None) -> str:
    return str(value_cell(value, show)) if isinstance(value, Value | None) else show(value)


def _results() -> dict[str, Any]:
    return {path.stem: _read(path) for path in sorted(RESULTS.glob("*.json"))}


def _models() -> dict[str, dict[str, Any]]:
    folders = sorted(path.parent for path in (ROOT / "models").glob("*/model.toml"))
    return {folder.name: {path.stem: _read(path) for path in folder.glob("*.json")} for folder in folders}


def _read(path: Path) -> Any:
    """Return a JSON file, with a Value where the file has one."""
    return json.loads(path.read_text(), object_hook=_with_values)


def _with_values(found: dict[str, Any]) -> Any:
    return Value.model_validate(found) if found.keys() == Value.model_fields.keys() else found


if __name__ == "__main__":
    write()
