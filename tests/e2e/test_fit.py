"""The matched pair's real processes: measured, fitted, tried at steady rates, reported. No speed is asserted."""

from __future__ import annotations

from pathlib import Path

from tandem.measure.report.prose import answers
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as
from tests.e2e.stacks import running_stack
from tests.integration.tandem.cli.commands import run, tandem


async def test_from_a_live_stack_to_a_report(tmp_path: Path) -> None:
    quick = ["--concurrency", "16", "--climb-seconds", "4", "--rounds", "1", "--trial-seconds", "2", "--trials", "2"]
    with running_stack(ar=("--models", "fashion-ar"), gan=("--models", "fashion-gan")) as stack:
        fit = await run(*tandem("bench", "fit", *quick, "--out", str(tmp_path), "--address", stack.address))
    found = read_as(tmp_path / "crossover.json", Crossover)
    # Whether the generator was good enough is the machine's affair; if it was not, that must be said.
    assert fit.code == (0 if found.is_sound else 1), fit.err
    assert (found.problems, found.is_partial) == ((), False)
    sequential, parallel = found.services
    assert (sequential.model, sequential.num_steps, parallel.model) == ("fashion-ar", 49, "fashion-gan")
    assert sequential.unit.points[-1].x > sequential.unit.points[0].x
    numbers = [len(capacity.trials) for capacity in found.capacities]
    assert min(numbers) == 2
    assert {answer.key for answer in answers(found)} >= {"p50", "p99", "capacity", "cost"}
    assert len(found.runs) == 4 + sum(numbers)
    out = tmp_path / "report.html"
    report = await run(*tandem("bench", "report", str(tmp_path), "--out", str(out)))
    assert report.code == 0, report.err
    assert answers(found)[0].text in out.read_text().replace("&#39;", "'")
