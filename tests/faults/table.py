"""`python -m tests.faults.table IN.json OUT.md`: the fault table as Markdown."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.faults.report import SCHEMA_VERSION

MARKS = {"passed": "", "failed": " **failed**", "expected failure": " *known to fail*"}
HEAD = "\n\n| row | figure | bar |\n|---|---|---|\n"


def table(document: dict[str, Any]) -> str:
    """Return the document as a page of Markdown: what each test does, and below it a table of its figures.

    Raises ValueError for another schema version.
    """
    if document.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"schema_version {document.get('schema_version')!r}, expected {SCHEMA_VERSION}")
    tests: dict[str, list[dict[str, Any]]] = {}
    for row in document["rows"]:
        tests.setdefault(row["done"], []).append(row)
    sections = (f"\n{done}{HEAD}{''.join(map(_line, rows))}" for done, rows in tests.items())
    return "".join((_introduction(document), *sections, _reasons(document["rows"])))


def _introduction(document: dict[str, Any]) -> str:
    counts = {outcome: sum(row["outcome"] == outcome for row in document["rows"]) for outcome in MARKS}
    return (
        "# Faults\n\n"
        "What Tandem does when something goes wrong, measured from outside on real processes. `make test-faults` runs"
        " all rows and writes this page; the quick effort, which `make test` makes, has fewer rows and repetitions,"
        " and holds no times against their bars.\n\n"
        f"Commit `{document['commit']}`, {document['date'][:10]}, {document['processor']}, {document['cores']} cores,"
        f" effort {document['effort']}: {counts['passed']} passed, {counts['failed']} failed,"
        f" {counts['expected failure']} known to fail.\n"
    )


def _line(row: dict[str, Any]) -> str:
    cells = (row["row"], f"{row['figure']:.4g} {row['unit']}{MARKS[row['outcome']]}", row["bar"])
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def _reasons(rows: list[dict[str, Any]]) -> str:
    reasons = [f"- {row['row']}: {row['reason']}\n" for row in rows if row["reason"]]
    return "".join(("\nKnown to fail, and why:\n\n", *reasons)) if reasons else ""


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    target.write_text(table(json.loads(source.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
