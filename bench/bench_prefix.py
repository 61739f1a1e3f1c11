"""What the prefix cache saves: requests that begin alike, with it and without, in turn.

    python bench/bench_prefix.py [--dtype auto] [--rounds 5]

16 requests, 8 at a time, of the same 512 tokens and 25 of their own, 16 new tokens each, greedy. Three ways: without
the cache, with it and a beginning that is new to it (cold), and with it and one that it knows (warm). Seconds from the
first request's start to the last one's end. Outputs of the three must be equal, so it needs a backend that is exact.
The last line of stdout is JSON.
"""

import argparse
import asyncio
import json
import random
import time
from collections import defaultdict
from contextlib import ExitStack

import grpc
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from bench.spread import shown, spread
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc

MODEL = "smollm2-135m-instruct"
NUM_REQUESTS, NUM_AT_A_TIME = 16, 8
NUM_SHARED_TOKENS, NUM_OWN_TOKENS, NUM_NEW_TOKENS = 512, 25, 16
TOKEN_IDS = range(1_000, 40_000)

Outputs = list[list[int]]


async def ask(port: int, shared: list[int], seed: int) -> tuple[float, Outputs, int]:
    """Return seconds, each request's output, and how many tokens of prompts the server found in its cache."""
    source = random.Random(seed)
    prompts = [[*shared, *source.choices(TOKEN_IDS, k=NUM_OWN_TOKENS)] for _ in range(NUM_REQUESTS)]
    places = asyncio.Semaphore(NUM_AT_A_TIME)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)

        async def one(prompt: list[int]) -> ar_pb2.CompleteResponse:
            sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=NUM_NEW_TOKENS, ignore_eos=True)
            request = ar_pb2.GenerateRequest(model=MODEL, tokens=ar_pb2.TokenPrompt(ids=prompt), sampling=sampling)
            async with places:
                reply: ar_pb2.CompleteResponse = await stub.Complete(ar_pb2.CompleteRequest(generate=request))
            return reply

        started = time.perf_counter()
        replies = await asyncio.gather(*map(one, prompts))
        seconds = time.perf_counter() - started
    outputs = [list(reply.choices[0].token_ids) for reply in replies]
    return seconds, outputs, sum(reply.usage.cached_tokens for reply in replies)


def measure(dtype: str, rounds: int, console: Console) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as servers:
        ports = {}
        for name, flag in (("without", "--no-prefix-cache"), ("with", "--prefix-cache")):
            ports[name] = free_port()
            flags = ("--port", str(ports[name]), "--metrics-port", str(free_port()), "--dtype", dtype, flag)
            servers.enter_context(serving("services.ar", *flags, "--models", MODEL, port=ports[name]))
        for number in range(-1, rounds):  # the first is a warm-up, not counted
            shared = random.Random(number).choices(TOKEN_IDS, k=NUM_SHARED_TOKENS)
            ways = {"without": ("without", 1), "cold": ("with", 1), "warm": ("with", 1)}
            results = {way: asyncio.run(ask(ports[server], shared, seed)) for way, (server, seed) in ways.items()}
            assert results["without"][2] == 0 < results["cold"][2] <= results["warm"][2]
            assert results["without"][1] == results["cold"][1] == results["warm"][1], "outputs differ"
            if number >= 0:
                for way, (seconds, _, _) in results.items():
                    found[way].append(seconds)
                console.print(f"round {number + 1} of {rounds} done")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = measure(options.dtype, options.rounds, Console(stderr=True))
    ratios = {
        way: spread([a / b for a, b in zip(found[way], found["without"], strict=True)]) for way in ("cold", "warm")
    }
    table = Table("prefix cache", "seconds: median (min-max)", "share of without", title=f"{MODEL}, {options.dtype}")
    for way, values in found.items():
        table.add_row(way, shown(spread(values)), shown(ratios[way]) if way in ratios else "")
    Console().print(table)
    report = {
        "benchmark": "prefix",
        "dtype": options.dtype,
        "seconds": {way: spread(values) for way, values in found.items()},
        "share_of_without": ratios,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
