"""The one form of a benchmark's result, its file, and its page: a table of bars, and tables of figures by contender."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.surroundings import describe_machine
from tandem.measure.formats import NONE, decimals, number, quantity
from tandem.measure.report.tables import Cell, Row, Table, markdown_table, value_cell
from tandem.measure.results.files import whole
from tandem.measure.results.value import Value

_UNITS = {"%": (100, 1), "/s": (1, 0), "ms": (1, 3), "x": (1, 2), "": (1, 0)}
_BY_CONTENDER = ("engines", "contenders")
"""Parts of a document that name their contenders first, and then the figures of each."""


def are_met(document: Mapping[str, Any]) -> bool:
    """Whether nothing failed and every bar is met."""
    return not document["failures"] and all(bar["is_met"] for bar in document["bars"])


def dump(document: Any, indent: int | None = None) -> str:
    """Return JSON; parts of documents may be anywhere in it."""
    return json.dumps(document, indent=indent, default=lambda part: part.model_dump())


def read(path: Path) -> Any:
    """Return a JSON file, with a Value where the file has one."""
    return json.loads(path.read_text(), object_hook=_with_values)


def _with_values(found: dict[str, Any]) -> Any:
    return Value.model_validate(found) if found.keys() == Value.model_fields.keys() else found


def write(folder: Path, name: str, document: Any) -> None:
    """Write a result and its page, each whole or not at all, and print the page."""
    folder.mkdir(parents=True, exist_ok=True)
    with whole(folder / f"{name}.json") as target:
        target.write_text(dump(document, indent=1) + "\n")
    text = page(name, read(folder / f"{name}.json"))
    with whole(folder / f"{name}.md") as target:
        target.write_text(text)
    sys.stdout.write(text)


def page(name: str, document: Mapping[str, Any]) -> str:
    """Return a result in Markdown: where it was measured, its bars, and all of its figures."""
    around = document["surroundings"]
    parts = [
        f"# {document.get('title', name)}",
        f"Commit {around['commit']}, {around['date']}. {describe_machine(around)}",
        *(f"- {text}" for text in _notes(document)),
    ]
    if document.get("bars"):
        head = ("what", "figure", "bar", "aim", "met")
        parts += ["## Bars", _markdown(head, list(map(bar_cells, document["bars"])))]
    parts += ["## Figures", *_tables(document)]
    return "\n\n".join(parts) + "\n"


def bar_cells(bar: Mapping[str, Any]) -> Sequence[str]:
    """Return the cells of a judged bar: what it is of, the figure, the bar, the aim, and whether it is met."""
    scale, digits = _UNITS[bar["unit"]]
    figure = f"{value_cell(bar['worst'], decimals(digits, scale))} {bar['unit']}".rstrip() if bar["worst"] else NONE
    limits = [
        f"{bar[name] * 100:g} %" if bar["unit"] == "%" else f"{bar[name]:g} {bar['unit']}".rstrip()
        for name in ("bar", "aim")
    ]
    verdict = {True: "yes", False: "**no**", None: "not measured"}[bar["is_met"]]
    return bar["what"], figure, f"{'>=' if bar['is_floor'] else '<='} {limits[0]}", limits[1], verdict


def _notes(document: Mapping[str, Any]) -> list[str]:
    if "rounds" not in document:
        return []
    found = [f"{quantity(document['rounds'], 'round')}, contenders in turn; median (lowest-highest) of the rounds"]
    found += [f"left out: {who}: {why}" for who, why in document.get("left_out", {}).items()]
    found += [f"audit failed: {run}" for run in document.get("audits", {}).get("invalid", ())]
    return found + [f"broken off: {failure}" for failure in document.get("failures", ())]


def _tables(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a table for each set of contenders, with a row for each figure that these have."""
    figures: dict[str, dict[str, Any]] = defaultdict(dict)
    for part in _BY_CONTENDER:
        contenders = document.get(part)
        for who, values in contenders.items() if isinstance(contenders, dict) else ():
            for figure, value in values.items():
                figures[figure][who] = value
    tables: dict[frozenset[str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, values in {**figures, **document.get("figures", {})}.items():
        tables[frozenset(values)][name] = values
    for found in tables.values():
        heads = next(iter(found.values()))
        yield _markdown(
            ("figure", *heads), [[name, *(_cell(row[who]) for who in heads)] for name, row in found.items()]
        )


def _cell(value: Any) -> str | Cell:
    if isinstance(value, Value):
        return value_cell(value, number)
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return number(value) if isinstance(value, float) else str(value)


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> str:
    return markdown_table(Table(heads, [Row(cells) for cells in rows]))
