"""Images/s of the parallel backend, beside a bare onnxruntime loop and a plain server on the same model, same run.

    python bench/bench_gan.py [--rounds 5] [--seconds 2]

One image a request at 1, 16 and 64 clients, 64 images a request at 1 and 4; closed loop: a client sends its next
request when it has the answer. Servers run in their own processes, the clients in this one, all on the same cores; the
three contenders take turns. Bare: sessions of one thread in this process, as many as cores (one where there is one
image at a time), batches as large as a request, nothing else going on. The last line of stdout is JSON.
"""

import argparse
import asyncio
import itertools
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from bench.spread import shown, spread
from runtime.models import ModelRepository
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2

MODEL = "fashion-gan"
METHOD = "/tandem.gan.v1.GanService/Sample"
WARM_UP_SECONDS = 1.0

Sample = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True)
class Scenario:
    """So many clients, each with one request of so many images at a time."""

    num_images: int
    num_clients: int

    @property
    def name(self) -> str:
        return f"{self.num_images}x{self.num_clients}"


SCENARIOS = (Scenario(1, 1), Scenario(1, 16), Scenario(1, 64), Scenario(64, 1), Scenario(64, 4))


@dataclass(frozen=True)
class Load:
    """What the clients of one server saw in one run; CPU is the server's."""

    images_per_second: float
    p50_seconds: float
    p99_seconds: float
    cpu_seconds_per_1000_images: float


async def load(port: int, pid: int, scenario: Scenario, seconds: float) -> Load:
    """Run the scenario for `seconds` against the server on `port`."""
    server = psutil.Process(pid)
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        # Bytes in, bytes out: the clients' own cost stays small.
        sample: Sample = channel.unary_unary(METHOD)  # type: ignore[assignment]
        cpu_before = sum(server.cpu_times()[:2])
        started = time.perf_counter()
        clients = (_client(sample, scenario, n, started + seconds, latencies) for n in range(scenario.num_clients))
        await asyncio.gather(*clients)
        elapsed = time.perf_counter() - started
    num_images = len(latencies) * scenario.num_images
    cpu = sum(server.cpu_times()[:2]) - cpu_before
    p50, p99 = np.quantile(latencies, (0.5, 0.99))
    return Load(num_images / elapsed, float(p50), float(p99), 1000 * cpu / num_images)


async def _client(sample: Sample, scenario: Scenario, number: int, end: float, out: list[float]) -> None:
    for seed in itertools.count(number * 1_000_000):
        request = gan_pb2.SampleRequest(count=scenario.num_images, seed=seed, encoding=images_pb2.ENCODING_RAW_UINT8)
        started = time.perf_counter()
        if started >= end:
            return
        answer = await sample(request.SerializeToString())
        out.append(time.perf_counter() - started)
        if seed % 1000 == 0:
            _check(answer, scenario)


def _check(answer: bytes, scenario: Scenario) -> None:
    """Raises AssertionError if the answer is not that many different-valued images."""
    images = gan_pb2.SampleResponse.FromString(answer).images
    values = np.frombuffer(images.data, np.uint8)
    assert images.shape[0] == scenario.num_images
    assert len(values) == np.prod(images.shape)
    assert len(np.unique(values)) > 16


class Bare:
    """The same model called in loops in this process, with nothing around it."""

    def __init__(self, generator: Path, num_sessions: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = [
            onnxruntime.InferenceSession(generator, options, providers=["CPUExecutionProvider"])
            for _ in range(num_sessions)
        ]

    def images_per_second(self, scenario: Scenario, seconds: float) -> float:
        num_sessions = min(len(self._sessions), scenario.num_images * scenario.num_clients)
        counts = [0] * num_sessions
        started = time.perf_counter()
        threads = [
            threading.Thread(target=self._loop, args=(n, scenario.num_images, started + seconds, counts))
            for n in range(num_sessions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.perf_counter() - started)

    def _loop(self, number: int, batch_size: int, end: float, counts: list[int]) -> None:
        source = np.random.default_rng(number)
        feeds = {
            "latent": source.standard_normal((batch_size, 64), dtype=np.float32),
            "label": source.integers(0, 10, batch_size),
        }
        while time.perf_counter() < end:
            self._sessions[number].run(None, feeds)
            counts[number] += batch_size


@dataclass
class Figures:
    """All runs of one scenario, one entry a round."""

    tandem: list[Load]
    plain: list[Load]
    bare: list[float]

    def report(self) -> dict[str, dict[str, float]]:
        ours = [one.images_per_second for one in self.tandem]
        peers = [one.images_per_second for one in self.plain]
        return {
            "images_per_second": spread(ours, 1),
            "plain_images_per_second": spread(peers, 1),
            "bare_images_per_second": spread(self.bare, 1),
            "share_of_bare": spread([a / b for a, b in zip(ours, self.bare, strict=True)], 3),
            "ratio_to_plain": spread([a / b for a, b in zip(ours, peers, strict=True)], 3),
            "p50_seconds": spread([one.p50_seconds for one in self.tandem], 5),
            "p99_seconds": spread([one.p99_seconds for one in self.tandem], 5),
            "plain_p50_seconds": spread([one.p50_seconds for one in self.plain], 5),
            "plain_p99_seconds": spread([one.p99_seconds for one in self.plain], 5),
            "cpu_seconds_per_1000_images": spread([one.cpu_seconds_per_1000_images for one in self.tandem], 3),
            "plain_cpu_seconds_per_1000_images": spread([one.cpu_seconds_per_1000_images for one in self.plain], 3),
        }


def measure(generator: Path, rounds: int, seconds: float, console: Console) -> dict[Scenario, Figures]:
    """Let the three take turns in every scenario, `rounds` times."""
    results: dict[Scenario, Figures] = defaultdict(lambda: Figures([], [], []))
    port, plain_port = free_port(), free_port()
    flags = ("--port", str(port), "--metrics-port", str(free_port()), "--models", MODEL)
    plain_flags = ("--port", str(plain_port), "--generator", str(generator))
    bare = Bare(generator, os.cpu_count() or 1)
    with (
        serving("services.gan", *flags, port=port) as tandem,
        serving("bench.peers.gan_plain", *plain_flags, port=plain_port) as plain,
    ):
        for round_number, scenario in itertools.product(range(rounds + 1), SCENARIOS):
            duration = seconds if round_number else WARM_UP_SECONDS
            ours = uvloop.run(load(port, tandem.pid, scenario, duration))
            peers = uvloop.run(load(plain_port, plain.pid, scenario, duration))
            alone = bare.images_per_second(scenario, duration)
            if round_number:  # the first is warm-up
                results[scenario].tandem.append(ours)
                results[scenario].plain.append(peers)
                results[scenario].bare.append(alone)
                console.print(
                    f"round {round_number} of {rounds}: {scenario.name} {ours.images_per_second:.0f} images/s"
                )
    return results


def table_of(results: dict[Scenario, Figures]) -> Table:
    table = Table("images x clients", "images/s", "p50 ms", "p99 ms", "of bare", "to plain", title=MODEL)
    for scenario, figures in results.items():
        report = figures.report()
        latencies = [f"{report[name]['median'] * 1000:.2f}" for name in ("p50_seconds", "p99_seconds")]
        ratios = [shown(report[name]) for name in ("share_of_bare", "ratio_to_plain")]
        table.add_row(scenario.name, shown(report["images_per_second"]), *latencies, *ratios)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds; one more warms up")
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each run")
    options = parser.parse_args()
    model = ModelRepository(Path("models")).get(MODEL)
    generator = model.path(model.spec.generator or "")
    results = measure(generator, options.rounds, options.seconds, Console(stderr=True))
    Console().print(table_of(results))
    scenarios = {scenario.name: figures.report() for scenario, figures in results.items()}
    print(json.dumps({"benchmark": "gan", "cores": os.cpu_count(), "scenarios": scenarios}))


if __name__ == "__main__":
    main()
