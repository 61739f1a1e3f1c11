"""What streams of text see of the kernel's pace, greedy and sampled.

    python -m benchmarks.streams [--rounds 3] [--before COMMIT] [--seconds 5]

For 1, 8 and 32 streams of 128 tokens: the kernel's own step, the gap between messages over it, and the rate with
temperature .7 and top_p .9 over that of greedy streams. With --before, a server of an earlier commit of this repository
takes turns with that of this tree. The last line of stdout is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch

from benchmarks.harness.figures import Figures
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.scenarios import closed
from benchmarks.harness.servers import NOW, ROOT, earlier_tree, service
from benchmarks.step import MODEL, decodes, open_forward, seconds_of
from runtime.models import ModelRepository
from services.ar.model.weights import open_checkpoint
from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.results.record import Outcome, Record
from tandem.measure.workload_text import parse_workload

TEXT = parse_workload("text", model=MODEL)
STREAMS = (1, 8, 32)
PROMPT_TOKENS, NEW_TOKENS = 64, 128  # 128 tokens of context on average, as `decodes` has
BEFORE, KERNEL = "before", "kernel"
GREEDY, SAMPLED = ar_pb2.SamplingParams(temperature=0.0), ar_pb2.SamplingParams(temperature=0.7, top_p=0.9)


def text_requests(sampling: ar_pb2.SamplingParams) -> Sequence[bytes]:
    """Return requests with prompts of their own, so that none finds another one's in the cache."""
    requests = []
    for seed in range(64):
        params = ar_pb2.SamplingParams(max_tokens=NEW_TOKENS, ignore_eos=True, seed=seed)
        params.MergeFrom(sampling)
        ids = [(7 * place + 131 * seed) % 40_000 for place in range(PROMPT_TOKENS)]
        request = ar_pb2.GenerateRequest(model=MODEL, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=params)
        requests.append(request.SerializeToString())
    return requests


def gap_seconds(record: Record) -> float:
    """Return the median gap between two messages of a request that ended well.

    The median, because the mean of a stream counts the prompts of others that are computed between its messages.
    """
    ended_well = record.requests["number"][record.requests["outcome"] == Outcome.OK]
    messages = record.messages[np.isin(record.messages["number"], ended_well)]
    gaps, is_same = np.diff(messages["at"]), np.diff(messages["number"]) == 0
    return float(np.median(gaps[is_same]))


def kernel_seconds() -> dict[int, float]:
    """Return the kernel's own step by number of sequences, in this process and tree."""
    checkpoint = open_checkpoint(ModelRepository(ROOT / "models").get(MODEL).transformer_path())
    forward = open_forward(checkpoint, "native-int4")
    with torch.inference_mode():
        return {count: seconds_of(forward, [decodes(count)]) for count in STREAMS}


class Bench:
    """Figures of all rounds, and what the load generator says of itself."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.figures = Figures()
        self.audited_runs = AuditedRuns()

    async def gap(self, source: Generator, name: str, count: int, sampling: ar_pb2.SamplingParams = GREEDY) -> float:
        """Return the gap of so many streams."""
        load = closed(TEXT, count, duration_seconds=self._seconds)
        run_result = await self.audited_runs.run(source, name, load, requests=[text_requests(sampling)])
        return gap_seconds(run_result.record)

    async def pace(self, source: Generator, who: str, steps: dict[int, float]) -> None:
        """Measure streams alone, greedy and sampled."""
        # The first requests find cold caches.
        await self.audited_runs.once(source, closed(TEXT, 1, duration_seconds=1.0), requests=[text_requests(GREEDY)])
        for count in STREAMS:
            greedy = await self.gap(source, f"{who}, {count} streams", count)
            sampled = await self.gap(source, f"{who}, {count} sampled streams", count, SAMPLED)
            self.figures.add(f"gap_{count}_ms", who, 1e3 * greedy)
            self.figures.add(f"gap_over_step_{count}", who, greedy / steps[count])
            self.figures.add(f"sampled_over_greedy_{count}", who, greedy / sampled)


async def measure(before: str | None, rounds: int, seconds: float) -> Bench:
    bench = Bench(seconds)
    with ExitStack() as stack:
        tree = stack.enter_context(earlier_tree(before)) if before else None
        trees = {NOW: ROOT} | ({BEFORE: tree} if tree else {})
        for done in range(rounds):
            steps = kernel_seconds()
            for count, step in steps.items():
                bench.figures.add(f"step_{count}_ms", KERNEL, 1e3 * step)
            for who, each in trees.items():  # one at a time, so that they do not share the cores
                with service("services.ar", MODEL, "--no-prefix-cache", tree=each) as ar:
                    async with generator(f"127.0.0.1:{ar.port}") as source:
                        await bench.pace(source, who, steps)
            print(f"round {done + 1} of {rounds} done", file=sys.stderr)
    return bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", help="a commit, whose server is measured too")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    bench = asyncio.run(measure(options.before, options.rounds, options.seconds))
    found, audits = bench.figures.spreads(), bench.audited_runs.summary()
    whos = [KERNEL, NOW, *([BEFORE] if options.before else [])]
    table = spread_table(found, whos, title=f"{MODEL}: median (min-max) of {options.rounds} rounds")
    show(table, {"benchmark": "streams", "figures": found}, audits)


if __name__ == "__main__":
    main()
