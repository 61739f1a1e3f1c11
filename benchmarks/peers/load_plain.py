"""A closed loop with nothing but grpcio and the stubs: an outside check of `generator`, with which it shares no code.

python -m benchmarks.peers.load_plain ADDRESS images|picture MODEL CLIENTS SECONDS WARM_UP_SECONDS

images: Sample of one image; picture: Generate of one picture, streamed. Prints one JSON document. Answers that end
within the time are counted; latencies are of all requests that began in it.
"""

import asyncio
import itertools
import json
import sys
import time
from typing import Any

import grpc

from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc


class Tally:
    def __init__(self, begins_at: float, ends_at: float) -> None:
        self.begins_at, self.ends_at = begins_at, ends_at
        self.num_answers = 0
        self.latencies: list[float] = []
        self.firsts: list[float] = []
        self.gaps: list[float] = []

    def add(self, sent: float, arrivals: list[float], ended: float) -> None:
        if self.begins_at <= ended <= self.ends_at:
            self.num_answers += 1
        if sent >= self.begins_at:
            self.latencies.append(ended - sent)
            self.firsts.append(arrivals[0] - sent)
            self.gaps += [b - a for a, b in itertools.pairwise(arrivals)]


async def images(stub: Any, model: str, seed: int) -> list[float]:
    await stub.Sample(gan_pb2.SampleRequest(model=model, count=1, labels=[seed % 10], seed=seed))
    return [time.perf_counter()]


async def picture(stub: Any, model: str, seed: int) -> list[float]:
    sampling = ar_pb2.SamplingParams(seed=seed)
    arrivals: list[float] = []
    async for message in stub.Generate(ar_pb2.GenerateRequest(model=model, class_label=seed % 10, sampling=sampling)):
        if message.token_ids:
            arrivals.append(time.perf_counter())
    return arrivals


async def client(ask: Any, stub: Any, model: str, number: int, tally: Tally) -> None:
    seed = number * 1_000_003
    while (sent := time.perf_counter()) < tally.ends_at:
        arrivals = await ask(stub, model, seed)
        tally.add(sent, arrivals, time.perf_counter())
        seed += 1


def quantile(values: list[float], q: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


async def main(address: str, workload: str, model: str, clients: int, seconds: float, warm_up: float) -> None:
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        await channel.channel_ready()
        stub_class: Any = gan_pb2_grpc.GanServiceStub if workload == "images" else ar_pb2_grpc.AutoregressiveServiceStub
        ask = images if workload == "images" else picture
        stub = stub_class(channel)
        begins_at = time.perf_counter() + warm_up
        tally = Tally(begins_at, begins_at + seconds)
        await asyncio.gather(*(client(ask, stub, model, number, tally) for number in range(clients)))
    print(
        json.dumps(
            {
                "requests_per_second": tally.num_answers / seconds,
                "p50": quantile(tally.latencies, 0.5),
                "p90": quantile(tally.latencies, 0.9),
                "p99": quantile(tally.latencies, 0.99),
                "first_output_p50": quantile(tally.firsts, 0.5),
                "gap_p50": quantile(tally.gaps, 0.5),
            }
        )
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    asyncio.run(main(words[0], words[1], words[2], int(words[3]), float(words[4]), float(words[5])))
