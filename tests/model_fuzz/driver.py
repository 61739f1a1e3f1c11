"""Runs the child over many cases and gathers what came of them; goes on behind a case that ends the child."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEED = 12
QUICK_COUNT, FULL_COUNT = 200, 5_000
_MAX_FAILURES = 20  # then it stops


@dataclass
class Report:
    """How many mutated models of a format loaded and how many were refused; a line for each of all others."""

    format: str
    num_loaded: int = 0
    num_refused: int = 0
    failures: list[str] = field(default_factory=list)


def fuzz(bases: Path, format_: str, count: int, seed: int = SEED) -> Report:
    """Open `count` mutations of the models that `bases.write_bases` wrote; `format_` is "gguf" or "huggingface".

    The kernel must have been compiled before, for the child has no memory for a compiler.
    """
    report = Report(format_)
    first = 0
    while first < count and len(report.failures) < _MAX_FAILURES:
        first = _run(report, bases, seed, range(first, count))
    return report


def _run(report: Report, bases: Path, seed: int, cases: range) -> int:
    """Have a child do the cases; return the first that is left when it ended."""
    arguments = [bases, report.format, seed, cases.start, cases.stop]
    command = [sys.executable, "-m", "tests.model_fuzz", *map(str, arguments)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    started = ""
    for line in child.stdout.splitlines():
        word, index, what = line.split(" ", 2)
        if word == "START":
            started = f"{report.format}, seed {seed}, case {index}: {what}"
            continue
        _count(report, what, started)
        started, cases = "", cases[1:]
    if child.returncode == 0:
        return cases.stop
    report.failures.append(f"{started or 'before any case'}: {_ending(child.returncode)}\n{child.stderr[-2000:]}")
    return cases.start + 1 if started else cases.stop


def _count(report: Report, outcome: str, started: str) -> None:
    if outcome == "loaded":
        report.num_loaded += 1
    elif outcome == "refused":
        report.num_refused += 1
    else:
        report.failures.append(f"{started}: {outcome}")


def _ending(returncode: int) -> str:
    return f"ended by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"
