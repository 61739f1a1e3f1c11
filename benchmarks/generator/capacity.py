"""What one process of the load generator can drive, and what a request costs it, against a server that is no limit.

The server is compiled (`benchmarks/harness/native/backend.cpp`) and answers at once, or at its own pace: streams of 200
messages, 200 a second each. Closed loops say what both can do together; open loops, at what rate the generator's own
audit still finds it good. Arrivals are evenly spaced, so that the rate is what it says. CPU is the generator's own, of
all its threads: of a core, and a request or message. Rounds take turns; median (lowest to highest). The last line of
stdout is JSON.
"""

import argparse
import asyncio
import itertools
import os
from collections import defaultdict
from typing import Any

from rich.console import Console

from benchmarks.harness.messages import FAST_MESSAGES, plan
from benchmarks.harness.printing import show
from benchmarks.harness.programs import program
from benchmarks.harness.servers import model_less
from benchmarks.hop.durations import TOKENS_PER_SECOND
from tandem.measure.formats import number
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.statistics.intervals import over_rounds
from tandem.measure.workload_text import parse_workload

WARM_UP_SECONDS = 1.0
UNARY = parse_workload("images")
PACED = parse_workload("image")
FAST = parse_workload(f"images,streamed,images={FAST_MESSAGES}")
MESSAGES = {PACED: TOKENS_PER_SECOND, FAST: FAST_MESSAGES}
Load = ClosedLoop | OpenLoop
CASES: dict[str, tuple[Workload, Load]] = {
    "unary, closed loop of 32": (UNARY, ClosedLoop(concurrency=32)),
    "unary, 1,000/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=1000)),
    "unary, 5,000/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=5000)),
    "unary, 10,000/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=10_000)),
    "32 streams x 200 messages/s": (PACED, ClosedLoop(concurrency=32)),
    "streams, closed loop of 16": (FAST, ClosedLoop(concurrency=16)),
}


async def run(source: Generator, workload: Workload, load: Load, seconds: float) -> Document:
    """Return the document of one run."""
    scenario = Scenario(workloads=(workload,), load=load, duration_seconds=seconds, warm_up_seconds=WARM_UP_SECONDS)
    run_result = await source.run(scenario)
    assert not run_result.document.problems, run_result.document.problems
    return run_result.document


def figures(workload: Workload, document: Document) -> dict[str, float]:
    """Return what is compared."""
    (stream,), (process,) = document.streams, document.audit.processes
    is_streamed = stream.delivery == "streamed"
    per_second = stream.rates.outputs if is_streamed else stream.rates.requests
    cost = (process.cpu_seconds_per_request or 0.0) / MESSAGES.get(workload, 1)
    lateness = document.audit.lateness
    return {
        "per_second": per_second,
        "cpu_share": process.cpu_share,
        "cpu_us_each": cost * 1e6,
        "lateness_p50_ms": (lateness.p50 or 0.0) * 1e3,
        "lateness_p99_ms": (lateness.p99 or 0.0) * 1e3,
        "latency_p50_ms": (stream.latency.seconds.p50 or 0.0) * 1e3,
        "latency_p99_ms": (stream.latency.seconds.p99 or 0.0) * 1e3,
        "valid": float(document.audit.valid),
    }


async def measure(rounds: int, seconds: float, console: Console) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    ready = plan(TOKENS_PER_SECOND, TOKENS_PER_SECOND)
    with model_less(program("backend"), ready) as backends:
        address = f"127.0.0.1:{backends.gan}"
        async with generator(address) as source:
            for number, (name, (workload, load)) in itertools.product(range(rounds), CASES.items()):
                document = await run(source, workload, load, seconds)
                found[name].append(figures(workload, document))
                failed = ", ".join(check.text for check in document.audit.checks if not check.passed)
                console.print(f"round {number + 1}: {name}: {found[name][-1]['per_second']:,.0f}/s {failed}")
    return found


def report(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    return {name: {key: over_rounds(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()}


def table_of(cases: dict[str, Any], found: dict[str, list[dict[str, float]]]) -> Table:
    columns = ("each second", "of a core", "CPU each, µs", "late p50, ms", "late p99, ms", "latency p50, ms", "p99, ms")
    rows = [
        Row(
            (
                name,
                *(value_cell(value, number) for key, value in values.items() if key != "valid"),
                f"{sum(int(run['valid']) for run in found[name])} of {len(found[name])}",
            )
        )
        for name, values in cases.items()
    ]
    return Table(("", *columns, "valid"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each run")
    options = parser.parse_args()
    found = asyncio.run(measure(options.rounds, options.seconds, Console(stderr=True)))
    cases = report(found)
    show(table_of(cases, found), {"benchmark": "load_capacity", "cores": os.cpu_count(), "cases": cases})


if __name__ == "__main__":
    main()
