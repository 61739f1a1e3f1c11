"""What the gateway adds: the same call direct and through it, in turns, against a backend that does no work.

Prints a table; the last line of stdout is one JSON document. Three processes: backend, gateway, this client. Each pair
is one direct call and one through the gateway, in alternating order, so that whatever else the machine does meets both.
CPU seconds are the gateway process's own, from its /metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2

ROOT = Path(__file__).parents[1]
SAMPLE = "/tandem.gan.v1.GanService/Sample"
GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
NUM_TOKENS = 64
NUM_ROUNDS = 5
CONCURRENCY = 8

Act = Callable[[grpc.aio.Channel], Awaitable[float]]
UNARY_REQUEST = gan_pb2.SampleRequest(count=1).SerializeToString()
STREAM_REQUEST = ar_pb2.GenerateRequest(
    text="a", sampling=ar_pb2.SamplingParams(max_tokens=NUM_TOKENS)
).SerializeToString()


async def unary(channel: grpc.aio.Channel) -> float:
    """Return the seconds of a Sample of one small image."""
    call: Any = channel.unary_unary(SAMPLE)
    started = time.perf_counter()
    await call(UNARY_REQUEST)
    return time.perf_counter() - started


async def stream(channel: grpc.aio.Channel) -> float:
    """Return the seconds of a whole Generate."""
    return (await arrivals(channel))[-1]


async def first_message(channel: grpc.aio.Channel) -> float:
    """Return the seconds until the first message of a Generate."""
    return (await arrivals(channel))[0]


async def arrivals(channel: grpc.aio.Channel) -> list[float]:
    call: Any = channel.unary_stream(GENERATE)
    started = time.perf_counter()
    found = [time.perf_counter() - started async for _ in call(STREAM_REQUEST)]
    assert len(found) == NUM_TOKENS + 1
    return found


async def paired(act: Act, direct: grpc.aio.Channel, through: grpc.aio.Channel, num_pairs: int) -> dict[str, Any]:
    """Return milliseconds of `act` direct, through, and added, with the spread of the added p50 over the rounds."""
    both: list[tuple[float, float]] = []
    rounds = []
    for _ in range(NUM_ROUNDS):
        pairs = [await _pair(act, direct, through, index % 2 == 0) for index in range(num_pairs // NUM_ROUNDS)]
        both += pairs
        rounds.append(statistics.median(b - a for a, b in pairs) * 1e3)
    return {
        "num_pairs": len(both),
        "direct_ms": _quantiles([a for a, _ in both]),
        "through_ms": _quantiles([b for _, b in both]),
        "added_ms": {**_quantiles([b - a for a, b in both]), "p50_of_rounds": [round(each, 4) for each in rounds]},
    }


async def _pair(
    act: Act, direct: grpc.aio.Channel, through: grpc.aio.Channel, direct_first: bool
) -> tuple[float, float]:
    if direct_first:
        first = await act(direct)
        return first, await act(through)
    first = await act(through)
    return await act(direct), first


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": round(cuts[49] * 1e3, 4), "p99": round(cuts[98] * 1e3, 4)}


async def cpu(act: Act, channel: grpc.aio.Channel, num_calls: int, http_port: int) -> dict[str, float]:
    """Return the gateway's CPU milliseconds a call, and calls a second, at the fixed concurrency."""
    before, started = await asyncio.to_thread(cpu_seconds, http_port), time.perf_counter()
    calls = iter(range(num_calls))

    async def client() -> None:
        for _ in calls:
            await act(channel)

    await asyncio.gather(*(client() for _ in range(CONCURRENCY)))
    seconds = time.perf_counter() - started
    used = await asyncio.to_thread(cpu_seconds, http_port) - before
    return {"cpu_ms": round(used / num_calls * 1e3, 4), "calls_per_second": round(num_calls / seconds, 1)}


def cpu_seconds(http_port: int) -> float:
    """Return the CPU seconds that the gateway has used so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics") as response:
        lines = response.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith("process_cpu_seconds_total ")).split()[1])


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of this project beside us."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def until_serving(channel: grpc.aio.Channel) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    async for response in watch:
        if response.status == health_pb2.HealthCheckResponse.SERVING:
            watch.cancel()
            return


async def measure(backend_port: int, port: int, http_port: int, scale: float) -> dict[str, Any]:
    """Run every comparison; `scale` multiplies the number of calls."""
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{backend_port}") as direct,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as through,
    ):
        await until_serving(through)
        for act in (unary, stream):
            await paired(act, direct, through, int(200 * scale))  # warm-up
        return {
            "unary": await paired(unary, direct, through, int(3000 * scale)),
            "stream_first_message": await paired(first_message, direct, through, int(1000 * scale)),
            "stream_whole": await paired(stream, direct, through, int(500 * scale)),
            "unary_cpu": await cpu(unary, through, int(6000 * scale), http_port),
            "stream_cpu": await cpu(stream, through, int(400 * scale), http_port),
        }


def report(results: dict[str, Any]) -> None:
    print(f"{'milliseconds':<24}{'direct p50':>12}{'p99':>9}{'through p50':>14}{'p99':>9}{'added p50':>12}{'p99':>9}")
    for name in ("unary", "stream_first_message", "stream_whole"):
        row = results[name]
        cells = [row[column][cut] for column in ("direct_ms", "through_ms", "added_ms") for cut in ("p50", "p99")]
        print("{:<24}{:>12.3f}{:>9.3f}{:>14.3f}{:>9.3f}{:>12.3f}{:>9.3f}".format(name, *cells))
    per_message = results["stream_cpu"]["cpu_ms"] / (NUM_TOKENS + 1)
    results["stream_cpu"]["cpu_ms_per_message"] = round(per_message, 4)
    print(f"gateway CPU: {results['unary_cpu']['cpu_ms']:.3f} s per 1,000 unary requests,", end=" ")
    print(f"{per_message:.3f} s per 1,000 streamed messages ({NUM_TOKENS} tokens a stream)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of calls")
    scale = parser.parse_args().scale
    port, http_port = free_port(), free_port()
    with running("bench.fake_backend") as backend:
        assert backend.stdout is not None
        target = f"127.0.0.1:{int(backend.stdout.readline())}"
        flags = ["--port", str(port), "--http-port", str(http_port), "--log-level", "WARNING"]
        with running("gateway", *flags, "--ar-targets", target, "--gan-targets", target):
            results = uvloop.run(measure(int(target.rpartition(":")[2]), port, http_port, scale))
    report(results)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "grpc": grpc.__version__}
    print(json.dumps({"bench": "gateway", "machine": machine, "num_tokens": NUM_TOKENS, **results}))


if __name__ == "__main__":
    main()
