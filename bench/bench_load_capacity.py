"""What one process of the load generator can drive, and what a request costs it, against a server that answers at once.

The server is a process of its own (`bench/fake_backend.py`), so each may have a core. Closed loops say what both can do
together; open loops, at what rate the generator's own audit still finds it good. Arrivals are evenly spaced, so that
the rate is what it says. Streams have 64 messages. CPU is the generator's own: of a core, and a request or message.
Rounds take turns; median (lowest to highest). The last line of stdout is JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.document import Document
from bench.load.run import conduct, planned
from bench.load.scenario import ClosedLoop, OpenLoop, Scenario, Work
from bench.load.work_text import parse_work
from bench.spread import shown, spread

MESSAGES = 64
WARM_UP_SECONDS = 1.0
UNARY = parse_work("images")
STREAMED = parse_work(f"text,tokens={MESSAGES},prompt=8")
Load = ClosedLoop | OpenLoop
CASES: dict[str, tuple[Work, Load]] = {
    "unary, closed loop of 32": (UNARY, ClosedLoop(concurrency=32)),
    "unary, 1,000/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=1000)),
    "unary, 2,000/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=2000)),
    "unary, 2,500/s": (UNARY, OpenLoop(arrivals="constant", rate_per_second=2500)),
    "streams, closed loop of 16": (STREAMED, ClosedLoop(concurrency=16)),
    "streams, 5,000 messages/s": (STREAMED, OpenLoop(arrivals="constant", rate_per_second=5000 / MESSAGES)),
    "streams, 10,000 messages/s": (STREAMED, OpenLoop(arrivals="constant", rate_per_second=10_000 / MESSAGES)),
}


@contextmanager
def backend() -> Iterator[str]:
    """Start the server; yield its address."""
    process = subprocess.Popen([sys.executable, "-m", "bench.fake_backend"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(timeout=30)


async def run(address: str, work: Work, load: Load, seconds: float) -> Document:
    """Return the document of one run."""
    scenario = Scenario(works=(work,), load=load, duration_seconds=seconds, warm_up_seconds=WARM_UP_SECONDS)
    outcome = await conduct(await planned(address, scenario), lambda progress: None, asyncio.Event())
    assert not outcome.document.problems, outcome.document.problems
    return outcome.document


def figures(document: Document) -> dict[str, float]:
    """Return what is compared."""
    (stream,), (process,) = document.streams, document.audit.processes
    is_streamed = stream.delivery == "streamed"
    per_second = stream.rates.outputs if is_streamed else stream.rates.requests
    cost = (process.cpu_seconds_per_request or 0.0) / (MESSAGES if is_streamed else 1)
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


def measure(rounds: int, seconds: float, console: Console) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    with backend() as address:
        for number, (name, (work, load)) in itertools.product(range(rounds), CASES.items()):
            document = asyncio.run(run(address, work, load, seconds))
            found[name].append(figures(document))
            failed = ", ".join(check.text for check in document.audit.checks if not check.passed)
            console.print(f"round {number + 1}: {name}: {found[name][-1]['per_second']:,.0f}/s {failed}")
    return found


def report(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    return {name: {key: spread([run[key] for run in runs], 3) for key in runs[0]} for name, runs in found.items()}


def table_of(cases: dict[str, Any], found: dict[str, list[dict[str, float]]]) -> Table:
    columns = ("each second", "of a core", "CPU each, µs", "late p50, ms", "late p99, ms", "latency p50, ms", "p99, ms")
    table = Table("", *columns, "valid", box=box.MARKDOWN)
    for name, values in cases.items():
        cells = [shown(value) for key, value in values.items() if key != "valid"]
        table.add_row(name, *cells, f"{sum(int(run['valid']) for run in found[name])} of {len(found[name])}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each run")
    options = parser.parse_args()
    found = measure(options.rounds, options.seconds, Console(stderr=True))
    cases = report(found)
    Console(width=200).print(table_of(cases, found))
    print(json.dumps({"benchmark": "load_capacity", "cores": os.cpu_count(), "cases": cases}))


if __name__ == "__main__":
    main()
