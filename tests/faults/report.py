"""The fault table: the figures that rows record, and the page made of them. Knows nothing of servers or clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.surroundings import surroundings

PASSED, FAILED, EXPECTED_FAILURE = "passed", "failed", "known to fail"
MARKS = {PASSED: "", FAILED: " **failed**", EXPECTED_FAILURE: " *known to fail*"}
INTRODUCTION = """\
# Faults

What Tandem does when something goes wrong, measured from outside on real processes. `make test-faults` runs all rows \
and writes this page; the quick effort, which `make test` makes, has fewer rows and repetitions, and holds no times \
against their bars.

"""


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
    """Gathers the figures of a run; `write` makes the page of them: what each test does, and a table of its figures."""

    def __init__(self, effort: str) -> None:
        self._effort = effort
        self._counts: Counter[str] = Counter()
        self._tables: dict[str, str] = {}
        self._reasons = ""

    def add(self, sheet: Sheet, name: str, has_passed: bool, expected: str | None) -> None:
        """Add a test's figures. `expected` is why the test may fail, None if it may not.

        A test that fails in another way than by a missed bar leaves a line that says so.
        """
        figures = [*sheet.figures]
        if not has_passed and all(figure.passed or figure.known for figure in figures):
            figures.append(Figure(f"{name}: ended early", sheet.done, 1.0, "errors", "none", False))
        for figure in figures:
            reason = "" if figure.passed else figure.known or expected or ""
            outcome = PASSED if figure.passed else EXPECTED_FAILURE if reason else FAILED
            self._counts[outcome] += 1
            cells = (figure.row, f"{figure.figure:.4g} {figure.unit}{MARKS[outcome]}", figure.bar)
            line = " | ".join(cell.replace("|", "\\|") for cell in cells)
            self._tables[figure.done] = self._tables.get(figure.done, "") + f"| {line} |\n"
            self._reasons += f"- {figure.row}: {reason}\n" if reason else ""

    def write(self, path: Path) -> None:
        around = surroundings()
        counts = ", ".join(f"{self._counts[outcome]} {outcome}" for outcome in MARKS)
        tables = (f"\n{done}\n\n| row | figure | bar |\n|---|---|---|\n{lines}" for done, lines in self._tables.items())
        reasons = f"\nKnown to fail, and why:\n\n{self._reasons}" if self._reasons else ""
        machine = f"{around['processor']}, {around['num_cores']} cores"
        run = f"Commit `{around['commit']}`, {around['date'][:10]}, {machine}, effort {self._effort}: {counts}.\n"
        path.write_text("".join((INTRODUCTION, run, *tables, reasons)), encoding="utf-8")
