"""The fault table as data: the figures that rows record, and the one JSON document made of them.

Knows nothing of servers or clients.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sized
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
PASSED, FAILED, EXPECTED_FAILURE = "passed", "failed", "expected failure"


class BarMissed(AssertionError):
    """A recorded figure misses its bar. Rows that are expected to fail may fail with this and nothing else."""


@dataclass(frozen=True)
class Figure:
    """One row: what was found, in `unit`, and whether that meets the bar."""

    row: str
    done: str
    figure: float
    unit: str
    bar: str
    passed: bool
    known: str = ""
    strict: bool = True

    def __str__(self) -> str:
        return f"{self.row}: {self.figure:g} {self.unit}, bar: {self.bar}"


@dataclass
class Sheet:
    """The figures of one test; `done` is what the test does, where a figure does not say it itself.

    `holds_times`: full runs have the machine to themselves, and hold times and rates against their bars.
    """

    done: str
    holds_times: bool = True
    figures: list[Figure] = field(default_factory=list)

    def expect(
        self,
        row: str,
        figure: float,
        unit: str,
        *,
        bar: str,
        passed: bool,
        in_time: bool = True,
        known: str = "",
        strict: bool = True,
    ) -> None:
        """Note a row's figure; the test fails at its end with all figures that missed their bars.

        `passed` is what no busy machine can change, `in_time` what the speed of the machine decides.

        `known` says why this figure misses its bar today, and what was found: the test then counts as an expected
        failure, and as a failure if the figure meets its bar. Without `strict` it may meet it: for a miss that does not
        come in every run.
        """
        passed = bool(passed and (in_time or not self.holds_times))
        self.figures.append(Figure(row, self.done, float(figure), unit, bar, passed, known, strict))

    def expect_none(self, row: str, found: Sized | int, unit: str, **options: Any) -> None:
        """Note how many there were of what must not be; the options are those of `expect`."""
        count = found if isinstance(found, int) else len(found)
        self.expect(row, count, unit, bar="0", passed=not count, **options)

    def expect_at_most(self, row: str, figure: float, most: float, unit: str, **options: Any) -> None:
        """Note what no busy machine can make more of."""
        self.expect(row, figure, unit, bar=f"<= {most:g}", passed=figure <= most, **options)

    def expect_in_time(
        self,
        row: str,
        figure: float,
        most: float,
        unit: str = "s",
        *,
        also: str = "",
        passed: bool = True,
        **options: Any,
    ) -> None:
        """Note a time, or what depends on one; `passed` is whether what the bar demands `also` is so."""
        bar = f"<= {most:g}, {also}" if also else f"<= {most:g}"
        self.expect(row, figure, unit, bar=bar, passed=passed, in_time=figure <= most, **options)

    def check(self) -> str:
        """Return why figures miss their bars as expected, empty if none does.

        Raises BarMissed for a miss that is not expected and for an expected one that did not come, RuntimeError if
        nothing was recorded.
        """
        if not self.figures:
            raise RuntimeError("a fault row must record at least one figure")
        missed = [str(figure) for figure in self.figures if not (figure.passed or figure.known)]
        known = [figure for figure in self.figures if figure.known]
        missed += [f"{figure}: meets its bar; remove `known`" for figure in known if figure.passed and figure.strict]
        if missed:
            raise BarMissed("; ".join(missed))
        return "; ".join(dict.fromkeys(figure.known for figure in known if not figure.passed))


class Report:
    """Gathers the entries of a run; `write` makes the document."""

    def __init__(self, effort: str) -> None:
        self._effort = effort
        self._rows: list[dict[str, Any]] = []

    def add(self, sheet: Sheet, test: str, seconds: float, has_passed: bool, expected: str | None) -> None:
        """Add a test's figures. `expected` is why the test may fail, None if it may not.

        A test that fails in another way than by a missed bar leaves an entry that says so.
        """
        figures = [*sheet.figures]
        if not has_passed and all(figure.passed or figure.known for figure in figures):
            figures.append(Figure(f"{test.rpartition('::')[2]}: ended early", sheet.done, 1.0, "errors", "none", False))
        for figure in figures:
            reason = "" if figure.passed else figure.known or expected or ""
            outcome = PASSED if figure.passed else EXPECTED_FAILURE if reason else FAILED
            kept = {name: value for name, value in asdict(figure).items() if name not in ("passed", "known", "strict")}
            ending = {"outcome": outcome, "reason": reason, "seconds": round(seconds, 1), "test": test}
            self._rows.append(kept | ending)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")

    def document(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "commit": _commit(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "effort": self._effort,
            "rows": self._rows,
        }


def _commit() -> str:
    """Return the commit that was tested, with "-dirty" where files differ from it; "unknown" outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return ended.stdout.strip() or "unknown"


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
