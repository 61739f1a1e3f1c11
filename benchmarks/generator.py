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
from typing import Any

from rich.console import Console

from benchmarks.harness.figures import Figures
from benchmarks.harness.messages import FAST_MESSAGES, plan
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.programs import program
from benchmarks.harness.servers import model_less
from benchmarks.hop.durations import TOKENS_PER_SECOND
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.results.audits import Audits
from tandem.measure.results.load import Document
from tandem.measure.scenario import ClosedLoop, OpenLoop, Scenario, Workload
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


def figures_of(workload: Workload, document: Document) -> dict[str, float]:
    """Return what is compared; of streams, a second has their messages."""
    (stream,), (process,) = document.streams, document.audit.processes
    lateness, latency = document.audit.lateness, stream.latency.seconds
    return {
        "per_second": stream.rates.outputs if stream.delivery == "streamed" else stream.rates.requests,
        "cpu_share": process.cpu_share,
        "cpu_us_each": 1e6 * (process.cpu_seconds_per_request or 0.0) / MESSAGES.get(workload, 1),
        "lateness_p50_ms": 1e3 * (lateness.p50 or 0.0),
        "lateness_p99_ms": 1e3 * (lateness.p99 or 0.0),
        "latency_p50_ms": 1e3 * (latency.p50 or 0.0),
        "latency_p99_ms": 1e3 * (latency.p99 or 0.0),
    }


async def measure(rounds: int, seconds: float, console: Console) -> tuple[Figures, Audits]:
    figures, audited_runs = Figures(), AuditedRuns(most_attempts=1)
    ready = plan(TOKENS_PER_SECOND, TOKENS_PER_SECOND)
    with model_less(program("backend"), ready) as backends:
        async with generator(f"127.0.0.1:{backends.gan}") as source:
            for number, (name, (workload, load)) in itertools.product(range(rounds), CASES.items()):
                times: dict[str, Any] = {"duration_seconds": seconds, "warm_up_seconds": WARM_UP_SECONDS}
                scenario = Scenario(workloads=(workload,), load=load, **times)
                document = (await audited_runs.run(source, name, scenario)).document
                assert not document.problems, document.problems
                for figure, value in figures_of(workload, document).items():
                    figures.add(name, figure, value)
                console.print(f"round {number + 1}: {name}")
    return figures, audited_runs.summary()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each run")
    options = parser.parse_args()
    figures, audits = asyncio.run(measure(options.rounds, options.seconds, Console(stderr=True)))
    found = figures.spreads()
    columns = list(next(iter(found.values())))
    show(spread_table(found, columns), {"benchmark": "generator", "cores": os.cpu_count(), "figures": found}, audits)


if __name__ == "__main__":
    main()
