"""What one 28x28 image costs, drawn in sequence and in parallel, through the same gateway; quality beside it.

    python bench/bench_pair.py [--rounds 5] [--seconds 4]

Both models of the matched pair are asked for the same thing, one image of a class, by 1 and by 64 clients; closed loop:
a client sends its next request when it has its image. The paradigms take turns, so that a noisy machine hurts both
alike. CPU is that of the gateway and the backend together. Quality is what `tandem models evaluate` wrote of the same
weights. Prints a Markdown table; the last line of stdout is JSON.
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


async def draw_sequential(client: AsyncTandemClient, seed: int) -> float:
    started, first = time.perf_counter(), None
    image = None
    async with client.generate(ClassLabel(seed % NUM_CLASSES), model=MODELS[SEQUENTIAL], seed=seed) as generation:
        async for chunk in generation:
            first = first or time.perf_counter() - started
            image = chunk.image
    assert image is not None
    assert first is not None
    return first


async def draw_parallel(client: AsyncTandemClient, seed: int) -> float:
    started = time.perf_counter()
    images = await client.sample(labels=seed % NUM_CLASSES, model=MODELS[PARALLEL], seed=seed)
    assert len(images) == 1
    return time.perf_counter() - started


DRAW: dict[str, Draw] = {SEQUENTIAL: draw_sequential, PARALLEL: draw_parallel}


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


def measure(rounds: int, seconds: float, console: Console) -> dict[tuple[str, int], list[Load]]:
    """Let the paradigms take turns at each number of clients, `rounds` times."""
    results: dict[tuple[str, int], list[Load]] = defaultdict(list)
    with stack() as (address, servers):
        for round_number, num_clients, paradigm in itertools.product(range(rounds + 1), CLIENTS, MODELS):
            duration = seconds if round_number else WARM_UP_SECONDS
            found = uvloop.run(load(address, DRAW[paradigm], num_clients, duration, servers[paradigm]))
            if round_number:  # the first is warm-up
                results[paradigm, num_clients].append(found)
                console.print(
                    f"round {round_number}: {paradigm}, {num_clients} at a time, {found.images_per_second:.0f}/s"
                )
    return results


def report(results: dict[tuple[str, int], list[Load]]) -> dict[str, Any]:
    """Return every figure with its spread, and how many times as much the sequential one costs, round by round."""
    loads = {
        f"{paradigm} x {num_clients}": {
            name: spread([getattr(each, name) for each in found], 6) for name in vars(found[0])
        }
        for (paradigm, num_clients), found in results.items()
    }
    ratios = {}
    for num_clients in CLIENTS:
        pairs = list(zip(results[SEQUENTIAL, num_clients], results[PARALLEL, num_clients], strict=True))
        ratios[f"x {num_clients}"] = {
            name: spread([getattr(a, name) / getattr(b, name) for a, b in pairs])
            for name in ("latency_seconds", "cpu_seconds_per_image")
        } | {"images_per_second": spread([b.images_per_second / a.images_per_second for a, b in pairs])}
    return {"loads": loads, "sequential_to_parallel": ratios, "quality": quality()}


def quality() -> dict[str, dict[str, float]]:
    """Return what the evaluations of both models found."""
    records = {paradigm: Path("models", name, "evaluation.json") for paradigm, name in MODELS.items()}
    found = {paradigm: json.loads(path.read_text())["model"] for paradigm, path in records.items()}
    return {paradigm: {name: model[name] for name in QUALITY} for paradigm, model in found.items()}


def table_of(found: dict[str, Any]) -> Table:
    """Return the table as Markdown: a column a paradigm, and the ratio."""
    table = Table("one 28x28 image", *(f"{paradigm} ({name})" for paradigm, name in MODELS.items()), "ratio")
    table.box = box.MARKDOWN
    for num_clients in CLIENTS:
        loads = [found["loads"][f"{paradigm} x {num_clients}"] for paradigm in MODELS]
        ratios = found["sequential_to_parallel"][f"x {num_clients}"]
        rows = (
            ("latency p50, ms", "latency_seconds", 1e3, "latency_seconds"),
            ("first output p50, ms", "first_output_seconds", 1e3, None),
            ("CPU a image, ms", "cpu_seconds_per_image", 1e3, "cpu_seconds_per_image"),
            ("images/s", "images_per_second", 1.0, "images_per_second"),
        )
        for name, key, scale, ratio in rows:
            cells = [_scaled(each[key], scale) for each in loads]
            table.add_row(f"{num_clients} at a time: {name}", *cells, _scaled(ratios[ratio], 1.0) if ratio else "")
    for name in QUALITY:
        table.add_row(name, *(f"{found['quality'][paradigm][name]:.3g}" for paradigm in MODELS), "")
    return table


def _scaled(figure: dict[str, float], scale: float) -> str:
    median, low, high = (f"{figure[name] * scale:.3g}" for name in ("median", "min", "max"))
    return f"{median} ({low}-{high})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more warms up")
    parser.add_argument("--seconds", type=float, default=4.0, help="duration of each run")
    options = parser.parse_args()
    found = report(measure(options.rounds, options.seconds, Console(stderr=True)))
    Console(width=120).print(table_of(found))
    print(json.dumps({"benchmark": "pair", "cores": os.cpu_count(), **found}))


if __name__ == "__main__":
    main()
