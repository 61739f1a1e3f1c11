"""What one 28x28 image costs, drawn in sequence and in parallel, streamed and unary, through the same gateway.

    python bench/bench_pair.py [--rounds 5] [--seconds 3]

Both models of the matched pair are asked for the same thing, one image of a class, by 1 and by 64 clients; closed loop:
a client sends its next request when it has its image. The four ways take turns, so that a noisy machine hurts all
alike; ratios are of the unary calls, where only the paradigm differs, round by round. CPU is that of the gateway and
the backend together. Quality is what `tandem models evaluate` wrote of the same weights. Prints a Markdown table; the
last line of stdout is JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from bench.spread import spread
from tandem.client import AsyncTandemClient, ClassLabel

SEQUENTIAL, PARALLEL = "sequential", "parallel"
STREAMED, UNARY = "streamed", "unary"
MODELS = {SEQUENTIAL: "fashion-ar", PARALLEL: "fashion-gan"}
CLIENTS = (1, 64)
NUM_CLASSES = 10
WARM_UP_SECONDS = 2.0
QUALITY = ("fid", "accuracy", "precision", "recall", "coverage")

# Draws one image and returns the seconds until its first output: a token, or the whole image.
Draw = Callable[[AsyncTandemClient, int], Awaitable[float]]


@dataclass(frozen=True)
class Load:
    """What the clients saw in one run."""

    images_per_second: float
    first_output_seconds: float  # median
    latency_seconds: float  # median
    p99_seconds: float
    cpu_seconds_per_image: float

    @classmethod
    def of(cls, calls: list[tuple[float, float]], elapsed: float, cpu: float) -> "Load":
        """`calls` holds seconds to first output and to the end."""
        firsts, totals = zip(*calls, strict=True)
        p99 = statistics.quantiles(totals, n=100, method="inclusive")[98] if len(totals) > 1 else totals[0]
        return cls(len(calls) / elapsed, statistics.median(firsts), statistics.median(totals), p99, cpu / len(calls))


async def stream_sequential(client: AsyncTandemClient, seed: int) -> float:
    started, first = time.perf_counter(), 0.0
    image = None
    async with client.generate(ClassLabel(seed % NUM_CLASSES), model=MODELS[SEQUENTIAL], seed=seed) as generation:
        async for chunk in generation:
            first = first or time.perf_counter() - started
            image = chunk.image
    assert image is not None
    return first


async def ask_sequential(client: AsyncTandemClient, seed: int) -> float:
    started = time.perf_counter()
    completion = await client.complete(ClassLabel(seed % NUM_CLASSES), model=MODELS[SEQUENTIAL], seed=seed)
    assert completion.images is not None
    return time.perf_counter() - started


async def stream_parallel(client: AsyncTandemClient, seed: int) -> float:
    started = time.perf_counter()
    parts = [
        part async for part in client.sample_stream(1, labels=[seed % NUM_CLASSES], model=MODELS[PARALLEL], seed=seed)
    ]
    assert len(parts) == 1
    return time.perf_counter() - started


async def ask_parallel(client: AsyncTandemClient, seed: int) -> float:
    started = time.perf_counter()
    images = await client.sample(labels=seed % NUM_CLASSES, model=MODELS[PARALLEL], seed=seed)
    assert len(images) == 1
    return time.perf_counter() - started


Way = tuple[str, str]  # paradigm, streamed or unary
WAYS: dict[Way, Draw] = {
    (SEQUENTIAL, STREAMED): stream_sequential,
    (SEQUENTIAL, UNARY): ask_sequential,
    (PARALLEL, STREAMED): stream_parallel,
    (PARALLEL, UNARY): ask_parallel,
}
Loads = dict[tuple[Way, int], list[Load]]


async def load(address: str, draw: Draw, num_clients: int, seconds: float, servers: list[psutil.Process]) -> Load:
    """Run `num_clients` for `seconds`; what is under way at the end is finished and counted."""
    calls: list[tuple[float, float]] = []
    async with AsyncTandemClient(address) as client:
        started, cpu = time.perf_counter(), _cpu_seconds(servers)
        ends_at = started + seconds
        await asyncio.gather(*(_client(client, draw, number, ends_at, calls) for number in range(num_clients)))
        return Load.of(calls, time.perf_counter() - started, _cpu_seconds(servers) - cpu)


async def _client(
    client: AsyncTandemClient, draw: Draw, number: int, ends_at: float, calls: list[tuple[float, float]]
) -> None:
    for seed in itertools.count(number * 1_000_000):
        started = time.perf_counter()
        if started >= ends_at:
            return
        first = await draw(client, seed)
        calls.append((first, time.perf_counter() - started))


def _cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


@contextmanager
def stack() -> Iterator[tuple[str, dict[str, list[psutil.Process]]]]:
    """Start both backends and the gateway; yield its address and, by paradigm, the processes that serve it."""
    ports = {paradigm: free_port() for paradigm in MODELS}
    gateway_port = free_port()
    backends = {
        paradigm: ("--port", str(ports[paradigm]), "--metrics-port", str(free_port()), "--models", MODELS[paradigm])
        for paradigm in MODELS
    }
    targets = [f"127.0.0.1:{ports[paradigm]}" for paradigm in (SEQUENTIAL, PARALLEL)]
    flags = ("--port", str(gateway_port), "--http-port", str(free_port()))
    with (
        serving("services.ar", *backends[SEQUENTIAL], port=ports[SEQUENTIAL]) as sequential,
        serving("services.gan", *backends[PARALLEL], port=ports[PARALLEL]) as parallel,
        serving("gateway", *flags, "--ar-targets", targets[0], "--gan-targets", targets[1], port=gateway_port) as door,
    ):
        processes = {SEQUENTIAL: [sequential, door], PARALLEL: [parallel, door]}
        yield (
            f"127.0.0.1:{gateway_port}",
            {name: [psutil.Process(each.pid) for each in group] for name, group in processes.items()},
        )


def measure(rounds: int, seconds: float, console: Console) -> Loads:
    """Let the ways take turns at each number of clients, `rounds` times."""
    results: Loads = defaultdict(list)
    with stack() as (address, servers):
        for number, num_clients, way in itertools.product(range(rounds + 1), CLIENTS, WAYS):
            duration = seconds if number else WARM_UP_SECONDS
            found = uvloop.run(load(address, WAYS[way], num_clients, duration, servers[way[0]]))
            if number:  # the first is warm-up
                results[way, num_clients].append(found)
                name = f"{' '.join(way)}, {num_clients} at a time"
                console.print(f"round {number}: {name}: {found.images_per_second:.0f}/s")
    return results


def report(results: Loads) -> dict[str, Any]:
    """Return every figure with its spread, and how many times as much a sequential image costs, round by round."""
    loads = {
        f"{' '.join(way)} x {num_clients}": {
            name: spread([getattr(each, name) for each in found], 6) for name in vars(found[0])
        }
        for (way, num_clients), found in results.items()
    }
    ratios = {}
    for num_clients in CLIENTS:
        pairs = list(
            zip(results[(SEQUENTIAL, UNARY), num_clients], results[(PARALLEL, UNARY), num_clients], strict=True)
        )
        ratios[f"x {num_clients}"] = {
            name: spread([getattr(a, name) / getattr(b, name) for a, b in pairs])
            for name in ("latency_seconds", "p99_seconds", "cpu_seconds_per_image")
        } | {"images_per_second": spread([b.images_per_second / a.images_per_second for a, b in pairs])}
    return {"loads": loads, "sequential_to_parallel": ratios, "quality": quality()}


def quality() -> dict[str, dict[str, float]]:
    """Return what the evaluations of both models found."""
    records = {paradigm: Path("models", name, "evaluation.json") for paradigm, name in MODELS.items()}
    found = {paradigm: json.loads(path.read_text())["model"] for paradigm, path in records.items()}
    return {paradigm: {name: model[name] for name in QUALITY} for paradigm, model in found.items()}


def table_of(found: dict[str, Any]) -> Table:
    """Return the table as Markdown: a column a way, and the ratio of the unary ones."""
    table = Table("one 28x28 image", *(", ".join(way) for way in WAYS), "ratio", box=box.MARKDOWN)
    for num_clients in CLIENTS:
        loads = [found["loads"][f"{' '.join(way)} x {num_clients}"] for way in WAYS]
        ratios = found["sequential_to_parallel"][f"x {num_clients}"]
        rows = (
            ("latency p50, ms", "latency_seconds", 1e3),
            ("latency p99, ms", "p99_seconds", 1e3),
            ("first output p50, ms", "first_output_seconds", 1e3),
            ("CPU, ms", "cpu_seconds_per_image", 1e3),
            ("images/s", "images_per_second", 1.0),
        )
        for name, key, scale in rows:
            cells = [_scaled(each[key], scale) for each in loads]
            ratio = _scaled(ratios[key], 1.0) if key in ratios else ""
            table.add_row(f"{num_clients} at a time: {name}", *cells, ratio)
    for name in QUALITY:
        table.add_row(name, *(f"{found['quality'][paradigm][name]:.3g}" for paradigm, _ in WAYS), "")
    return table


def _scaled(figure: dict[str, float], scale: float) -> str:
    median, low, high = (f"{figure[name] * scale:.3g}" for name in ("median", "min", "max"))
    return f"{median} ({low}-{high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more warms up")
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each run")
    options = parser.parse_args()
    found = report(measure(options.rounds, options.seconds, Console(stderr=True)))
    Console(width=200).print(table_of(found))
    print(json.dumps({"benchmark": "pair", "cores": os.cpu_count(), **found}))


if __name__ == "__main__":
    main()
