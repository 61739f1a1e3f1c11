"""The load generator against a plain outside client (`benchmarks/peers/load_plain.py`): do both measure the same?

The same closed loop, through the gateway, on the matched pair: single images unary by 1 and by 16 callers, and images
streamed by 4. The two take turns, and who is first changes each round. Printed is generator to plain client, round by
round: median (lowest to highest). The last line of stdout is JSON.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass

from rich.console import Console

from benchmarks.harness.printing import show
from benchmarks.harness.servers import NOW, ROOT, gateway, with_models
from tandem.measure import formats
from tandem.measure.generator.generator import run_once
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.value import Value
from tandem.measure.scenario import ClosedLoop, Scenario, Workload
from tandem.measure.statistics.intervals import over_rounds

WARM_UP_SECONDS = 1.0
FIGURES = ("requests_per_second", "p50", "p90", "p99", "first_output_p50", "gap_p50")
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Case:
    """One load that both put on."""

    workload: Workload
    num_callers: int

    @property
    def name(self) -> str:
        return f"{self.workload.name} x {self.num_callers}"


CASES = (
    Case(Workload(kind="images", delivery="unary", model="fashion-gan"), 1),
    Case(Workload(kind="images", delivery="unary", model="fashion-gan"), 16),
    Case(Workload(kind="image", delivery="streamed", model="fashion-ar"), 4),
)


async def ours(address: str, case: Case, seconds: float) -> Figures:
    """Return what the load generator measures, over one connection as the plain client has it."""
    scenario = Scenario(
        workloads=(case.workload,),
        load=ClosedLoop(concurrency=case.num_callers),
        duration_seconds=seconds,
        warm_up_seconds=WARM_UP_SECONDS,
        connections_per_process=1,
    )
    run_result = await run_once(address, scenario)
    (stream,) = run_result.document.streams
    assert not run_result.document.problems, run_result.document.problems
    latency = stream.latency.seconds
    return {
        "requests_per_second": stream.rates.requests,
        "p50": latency.p50,
        "p90": latency.p90,
        "p99": latency.p99,
        "first_output_p50": stream.first_output.seconds.p50,
        "gap_p50": stream.gap.seconds.p50 if stream.gap else None,
    }


async def plain(address: str, case: Case, seconds: float) -> Figures:
    """Return what the plain client measures."""
    words = (
        address,
        case.workload.kind,
        case.workload.model,
        str(case.num_callers),
        str(seconds),
        str(WARM_UP_SECONDS),
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.peers.load_plain", *words, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    figures: Figures = json.loads(out)
    return figures


async def measure(
    address: str, rounds: int, seconds: float, console: Console
) -> dict[str, list[tuple[Figures, Figures]]]:
    """Return by case what both found in each round, ours first."""
    found: dict[str, list[tuple[Figures, Figures]]] = defaultdict(list)
    for number in range(rounds):
        for case in CASES:
            both: dict[str, Figures] = {}
            for act in (ours, plain) if number % 2 == 0 else (plain, ours):
                both[act.__name__] = await act(address, case, seconds)
            found[case.name].append((both["ours"], both["plain"]))
            rates = ", ".join(f"{name} {figures['requests_per_second']:.1f}/s" for name, figures in both.items())
            console.print(f"round {number + 1}: {case.name}: {rates}")
    return found


def report(found: dict[str, list[tuple[Figures, Figures]]]) -> dict[str, dict[str, dict[str, Value]]]:
    """Return of each case and figure both sides and the ratio, with their spread."""
    cases: dict[str, dict[str, dict[str, Value]]] = {}
    for name, pairs in found.items():
        cases[name] = {}
        for figure in FIGURES:
            values = [(a, b) for own, other in pairs if (a := own[figure]) and (b := other[figure])]
            if values:
                cases[name][figure] = {
                    "generator": over_rounds([a for a, _ in values]),
                    "plain": over_rounds([b for _, b in values]),
                    "ratio": over_rounds([a / b for a, b in values]),
                }
    return cases


def table_of(cases: dict[str, dict[str, dict[str, Value]]]) -> Table:
    """Return a row a case and a figure."""
    rows = []
    for name, figures in cases.items():
        for figure, sides in figures.items():
            shown = formats.number if figure == "requests_per_second" else formats.seconds
            cells = [value_cell(sides[side], shown) for side in ("generator", "plain")]
            rows.append(Row((name, figure.replace("_", " "), *cells, value_cell(sides["ratio"], formats.decimals(3)))))
    return Table(("", "figure", "generator", "plain client", "ratio"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each run")
    options = parser.parse_args()
    with with_models() as backends, gateway(NOW, ROOT, backends) as hop:
        found = asyncio.run(measure(f"127.0.0.1:{hop.port}", options.rounds, options.seconds, Console(stderr=True)))
    cases = report(found)
    show(table_of(cases), {"benchmark": "load_peer", "cores": os.cpu_count(), "cases": cases})


if __name__ == "__main__":
    main()
