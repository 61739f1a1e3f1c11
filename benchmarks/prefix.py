"""What the prefix cache saves: requests that begin alike, with it and without, in turn.

    python -m benchmarks.prefix [--dtype auto] [--rounds 5]

16 requests, 8 at a time, of the same 512 tokens and 25 of their own, 16 new tokens each, greedy. Three modes: without
the cache, with it and a beginning that is new to it (cold), and with it and one that it knows (warm). Seconds from the
first request's start to the last one's end. Outputs of the three must be equal, so it needs a backend that is exact.
The last line of stdout is JSON.
"""

import argparse
import asyncio
import random
from collections import defaultdict
from contextlib import AsyncExitStack

from rich.console import Console

from benchmarks.harness.printing import show
from benchmarks.harness.servers import service
from benchmarks.texts_at_once import Answered, answered
from tandem.ar.v1 import ar_pb2
from tandem.measure.formats import number, seconds
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.audits import Audits
from tandem.measure.statistics.intervals import over_rounds

MODEL = "smollm2-135m-instruct"
NUM_REQUESTS, NUM_AT_A_TIME = 16, 8
NUM_SHARED_TOKENS, NUM_OWN_TOKENS, NUM_NEW_TOKENS = 512, 25, 16
TOKEN_IDS = range(1_000, 40_000)


async def ask(source: Generator, audited_runs: AuditedRuns, mode: str, shared: list[int], seed: int) -> Answered:
    """Ask for what continues the shared tokens and some that depend on the seed."""
    random_source = random.Random(seed)
    sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=NUM_NEW_TOKENS, ignore_eos=True)
    requests = [
        ar_pb2.GenerateRequest(
            model=MODEL,
            tokens=ar_pb2.TokenPrompt(ids=[*shared, *random_source.choices(TOKEN_IDS, k=NUM_OWN_TOKENS)]),
            sampling=sampling,
        )
        for _ in range(NUM_REQUESTS)
    ]
    return await answered(source, audited_runs, mode, requests, num_at_a_time=NUM_AT_A_TIME)


async def measure(dtype: str, rounds: int, console: Console) -> tuple[dict[str, list[float]], Audits]:
    """Return seconds by mode, one a round, and what the load generator says of itself."""
    found: dict[str, list[float]] = defaultdict(list)
    audited_runs = AuditedRuns(most_attempts=1)  # a second time the cache would know the prompts
    async with AsyncExitStack() as stack:
        sources = {}
        for name, flag in (("without", "--no-prefix-cache"), ("with", "--prefix-cache")):
            server = stack.enter_context(service("services.ar", MODEL, "--dtype", dtype, flag))
            sources[name] = await stack.enter_async_context(generator(f"127.0.0.1:{server.port}"))
        for number in range(-1, rounds):  # the first is a warm-up, not counted
            shared = random.Random(number).choices(TOKEN_IDS, k=NUM_SHARED_TOKENS)
            results = {
                mode: await ask(sources[server], audited_runs, mode, shared, seed)
                for mode, (server, seed) in {
                    "without": ("without", 1),
                    "cold": ("with", 1),
                    "warm": ("with", 1),
                }.items()
            }
            cached = {mode: sum(reply.usage.cached_tokens for reply in each.replies) for mode, each in results.items()}
            assert cached["without"] == 0 < cached["cold"] <= cached["warm"]
            outputs = [each.outputs for each in results.values()]
            assert outputs[0] == outputs[1] == outputs[2], "outputs differ"
            if number >= 0:
                for mode, each in results.items():
                    found[mode].append(each.seconds)
                console.print(f"round {number + 1} of {rounds} done")
    return found, audited_runs.summary()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found, audits = asyncio.run(measure(options.dtype, options.rounds, Console(stderr=True)))
    ratios = {
        mode: over_rounds([a / b for a, b in zip(found[mode], found["without"], strict=True)])
        for mode in ("cold", "warm")
    }
    rows = [
        Row((mode, value_cell(over_rounds(values), seconds), value_cell(ratios.get(mode), number)))
        for mode, values in found.items()
    ]
    report = {
        "benchmark": "prefix",
        "dtype": options.dtype,
        "seconds": {mode: over_rounds(values) for mode, values in found.items()},
        "share_of_without": ratios,
    }
    table = Table(("prefix cache", "median (min-max)", "share of without"), rows, f"{MODEL}, {options.dtype}")
    show(table, report, audits)


if __name__ == "__main__":
    main()
