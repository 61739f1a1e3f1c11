"""What streams of text see of the kernel's pace, greedy and sampled.

    python -m benchmarks.streams [--rounds 3] [--seconds 5]

For 1, 8 and 32 streams of 128 tokens: the kernel's own step, the gap between messages over it, and the rate with
temperature .7 and top_p .9 over that of greedy streams. The last line of stdout is JSON.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.kernel import TEXT_MODEL, decoding, open_kernel, seconds_of
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.scenarios import closed
from benchmarks.harness.servers import NOW, ROOT, service
from runtime.models import ModelRepository
from services.ar.model.weights import open_checkpoint
from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.results.record import Outcome, Record
from tandem.measure.workload_text import parse_workload

TEXT = parse_workload("text", model=TEXT_MODEL)
STREAMS = (1, 8, 32)
PROMPT_TOKENS, NEW_TOKENS = 64, 128
CONTEXT_TOKENS = PROMPT_TOKENS + NEW_TOKENS // 2  # on average
KERNEL = "kernel"
GREEDY, SAMPLED = ar_pb2.SamplingParams(temperature=0.0), ar_pb2.SamplingParams(temperature=0.7, top_p=0.9)


def text_requests(sampling: ar_pb2.SamplingParams) -> Sequence[bytes]:
    """Return requests with prompts of their own, so that none finds another one's in the cache."""
    requests = []
    for seed in range(64):
        params = ar_pb2.SamplingParams(max_tokens=NEW_TOKENS, ignore_eos=True, seed=seed)
        params.MergeFrom(sampling)
        ids = [(7 * place + 131 * seed) % 40_000 for place in range(PROMPT_TOKENS)]
        request = ar_pb2.GenerateRequest(model=TEXT_MODEL, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=params)
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
    checkpoint = open_checkpoint(ModelRepository(ROOT / "models").get(TEXT_MODEL).transformer_path())
    forward = open_kernel(checkpoint, 16_384, dtype="int4", kv_cache_dtype="int8")
    with torch.inference_mode():
        return {count: seconds_of(forward, decoding(count, CONTEXT_TOKENS)) for count in STREAMS}


async def measure(rounds: int, seconds: float) -> tuple[Figures, AuditedRuns]:
    """Return the figures of all rounds, and what the load generator says of itself."""
    figures, audited_runs = Figures(), AuditedRuns()

    async def gap(source: Generator, count: int, kind: str, sampling: ar_pb2.SamplingParams) -> float:
        load, requests = closed(TEXT, count, duration_seconds=seconds), [text_requests(sampling)]
        return gap_seconds((await audited_runs.run(source, f"{count} {kind} streams", load, requests=requests)).record)

    for done in range(rounds):
        steps = kernel_seconds()
        with service("services.ar", TEXT_MODEL, "--no-prefix-cache") as ar:
            async with generator(f"127.0.0.1:{ar.port}") as source:
                # The first requests find cold caches.
                warm_up = closed(TEXT, 1, duration_seconds=1.0)
                await audited_runs.once(source, warm_up, requests=[text_requests(GREEDY)])
                for count, step in steps.items():
                    greedy = await gap(source, count, "greedy", GREEDY)
                    sampled = await gap(source, count, "sampled", SAMPLED)
                    figures.add(f"step_{count}_ms", KERNEL, 1e3 * step)
                    figures.add(f"gap_{count}_ms", NOW, 1e3 * greedy)
                    figures.add(f"gap_over_step_{count}", NOW, greedy / step)
                    figures.add(f"sampled_over_greedy_{count}", NOW, greedy / sampled)
        print(f"round {done + 1} of {rounds} done", file=sys.stderr)
    return figures, audited_runs


def main() -> None:
    options = parser(__doc__, rounds=3, seconds=5.0).parse_args()
    figures, audited_runs = asyncio.run(measure(options.rounds, options.seconds))
    found = figures.spreads()
    table = spread_table(found, (KERNEL, NOW), title=f"{TEXT_MODEL}: median (min-max) of {options.rounds} rounds")
    show(table, {"benchmark": "streams", "figures": found}, audited_runs.summary())


if __name__ == "__main__":
    main()
