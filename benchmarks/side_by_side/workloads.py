"""The workloads that every engine does, and the figures that come of it. Knows no engine by name.

All prompts are passages of held text, new ones each time, the same for every engine of a round.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.peers.engine import Need
from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.replies import Asker, Reply, WrongOutput, together
from tandem.measure.statistics.quantiles import nearest_rank

NUM_PROMPT_TOKENS, NUM_NEW_TOKENS = 64, 128
NUM_LONG_TOKENS = 1024
NUM_SHARED, NUM_OWN, NUM_AFTER_SHARED, NUM_SHARING, NUM_AT_A_TIME = 512, 25, 16, 16, 8
NUM_STREAMS, NUM_STREAM_TOKENS, NUM_ARRIVING, NUM_ARRIVING_TOKENS = 7, 1024, 4, 1500
NUM_BEFORE_ARRIVALS = 16  # messages that each stream has had when the first long prompt comes
SETTLING_SECONDS = 0.5

Figures = dict[str, float]
Passages = Callable[[int], list[int]]  # a passage of so many tokens


@dataclass(frozen=True)
class Workload:
    """One kind of workload. `figure` is what it is judged by."""

    name: str
    title: str
    need: Need
    figure: str
    run: Callable[[Asker, Passages], Awaitable[Figures]]
    is_higher_better: bool = True
    suits_static_batches: bool = True


async def decode(num_sequences: int, num_repeats: int, asker: Asker, passage: Passages) -> Figures:
    """Generate for `num_sequences` prompts at once, `num_repeats` times."""
    replies: list[Reply] = []
    seconds = 0.0
    for _ in range(num_repeats):
        prompts = [passage(NUM_PROMPT_TOKENS) for _ in range(num_sequences)]
        started = time.perf_counter()
        replies += await asker.ask(prompts, NUM_NEW_TOKENS)
        seconds += time.perf_counter() - started
    return {
        "tokens_per_second": len(replies) * NUM_NEW_TOKENS / seconds,
        "first_token_seconds_p50": nearest_rank([reply.first_seconds for reply in replies], 0.5),
        "gap_seconds_p50": nearest_rank([gap for reply in replies for gap in reply.gaps], 0.5),
    }


async def prefill(num_repeats: int, asker: Asker, passage: Passages) -> Figures:
    """Read long prompts, one after another, for one new token each."""
    seconds = 0.0
    for _ in range(num_repeats):
        prompt = passage(NUM_LONG_TOKENS)
        started = time.perf_counter()
        await asker.ask([prompt], 1)
        seconds += time.perf_counter() - started
    return {"tokens_per_second": num_repeats * NUM_LONG_TOKENS / seconds}


async def shared_prefix(asker: Asker, passage: Passages) -> Figures:
    """Serve requests that begin alike: once so that the cache knows the beginning, then against the clock."""
    shared = passage(NUM_SHARED)
    seconds: dict[str, float] = {}
    for state in ("cold", "warm"):
        prompts = [[*shared, *passage(NUM_OWN)] for _ in range(NUM_SHARING)]
        places = asyncio.Semaphore(NUM_AT_A_TIME)

        async def one(prompt: list[int], places: asyncio.Semaphore = places) -> None:
            async with places:
                await asker.ask([prompt], NUM_AFTER_SHARED, use_cache=True)

        started = time.perf_counter()
        await together(map(one, prompts))
        seconds[state] = time.perf_counter() - started
    return {"seconds": seconds["warm"], "cold_seconds": seconds["cold"]}


async def disturbed_streams(asker: Asker, passage: Passages) -> Figures:
    """Let streams run, and long prompts arrive one after another; how long do the streams stand still?"""
    streams = [Reply(time.perf_counter()) for _ in range(NUM_STREAMS)]
    tasks = [
        asyncio.create_task(asker.follow(passage(NUM_PROMPT_TOKENS), NUM_STREAM_TOKENS, stream)) for stream in streams
    ]
    try:
        while min(len(stream.times) for stream in streams) < NUM_BEFORE_ARRIVALS:
            _check_running(tasks)
            await asyncio.sleep(0.02)
        begun = time.perf_counter()
        arriving = [(await asker.ask([passage(NUM_ARRIVING_TOKENS)], 1))[0] for _ in range(NUM_ARRIVING)]
        ended = time.perf_counter()
        _check_running(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(SETTLING_SECONDS)  # the server notices that they left
    gaps = [gap for stream in streams for gap in gaps_within(stream, begun, ended)]
    return {
        "gap_seconds_p99": nearest_rank(gaps, 0.99),
        "gap_seconds_p50": nearest_rank(gaps, 0.5),
        "arriving_first_token_seconds_p50": nearest_rank([reply.first_seconds for reply in arriving], 0.5),
    }


def _check_running(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            task.result()  # raises what ended it
            raise WrongOutput(f"a stream ended before its {NUM_STREAM_TOKENS} tokens, or before the long prompts did")


def gaps_within(stream: Reply, begun: float, ended: float) -> list[float]:
    """Return the gaps that ended in a span of time, and the one that its end cut short."""
    times = [moment for moment in stream.times if moment <= ended] + [ended]
    return [b - a for a, b in itertools.pairwise(times) if b >= begun]


def _decode(num_sequences: int, num_repeats: int) -> Workload:
    return Workload(
        name=f"decode_{num_sequences}",
        title=f"decode, {num_sequences} at a time, tokens/s",
        need=Need(num_sequences, 256),
        figure="tokens_per_second",
        run=partial(decode, num_sequences, num_repeats),
    )


WORKLOADS = (
    _decode(1, 3),
    _decode(8, 1),
    _decode(32, 1),
    Workload("prefill", "prefill of 1,024 tokens, tokens/s", Need(1, 2048), "tokens_per_second", partial(prefill, 3)),
    Workload(
        name="shared_prefix",
        title="16 requests sharing 512 tokens, s",
        need=Need(8, 2048, prefix_cache=True),
        figure="seconds",
        run=shared_prefix,
        is_higher_better=False,
        suits_static_batches=False,
    ),
    Workload(
        name="disturbed_streams",
        title="p99 gap of 7 streams while 1,500-token prompts arrive, s",
        need=Need(8, 2048),
        figure="gap_seconds_p99",
        run=disturbed_streams,
        is_higher_better=False,
        suits_static_batches=False,
    ),
)


def passages_of(text: HeldText, seed: str) -> Passages:
    """Return passages that depend on the seed alone."""
    return partial(text.passage, random.Random(seed))
