"""The workloads that every engine does, and the figures that come of it. Knows no engine by name.

All prompts are passages of held text, new ones each time, the same for every engine of a round.
"""

import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.peers.engine import Need
from benchmarks.side_by_side.asker import Asker, Instants, WrongOutput
from benchmarks.side_by_side.held_text import HeldText
from tandem.measure.statistics.quantiles import nearest_rank

NUM_PROMPT_TOKENS, NUM_NEW_TOKENS = 64, 128
NUM_LONG_TOKENS = 1024
NUM_SHARED, NUM_OWN, NUM_AFTER_SHARED, NUM_SHARING, NUM_AT_A_TIME = 512, 25, 16, 16, 8
NUM_STREAMS, NUM_STREAM_TOKENS, NUM_ARRIVING, NUM_ARRIVING_TOKENS = 7, 1024, 4, 1500
NUM_TOKENS_BEFORE = 16  # of the short text, beside which each stream has had about as many

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
    asked = []
    for _ in range(num_repeats):
        prompts = [passage(NUM_PROMPT_TOKENS) for _ in range(num_sequences)]
        asked.append(await asker.ask(prompts, NUM_NEW_TOKENS, at_a_time=num_sequences))
    first_tokens = np.concatenate([each.first_token - each.sent for each in asked])
    gaps = [gap for each in asked for gap in each.gaps()]
    return {
        "tokens_per_second": num_repeats * num_sequences * NUM_NEW_TOKENS / sum(each.seconds for each in asked),
        "first_token_seconds_p50": nearest_rank(first_tokens, 0.5),
        "gap_seconds_p50": nearest_rank(gaps, 0.5),
        "gap_seconds_p99": nearest_rank(gaps, 0.99),
        "client_cores": max(each.client_cores for each in asked),
    }


async def prefill(num_repeats: int, asker: Asker, passage: Passages) -> Figures:
    """Read long prompts, one after another, for one new token each."""
    asked = await asker.ask([passage(NUM_LONG_TOKENS) for _ in range(num_repeats)], 1)
    return {"tokens_per_second": num_repeats * NUM_LONG_TOKENS / asked.seconds, "client_cores": asked.client_cores}


async def shared_prefix(asker: Asker, passage: Passages) -> Figures:
    """Serve requests that begin alike: once so that the cache knows the beginning, then against the clock."""
    shared = passage(NUM_SHARED)
    cold, warm = [
        await asker.ask(
            [[*shared, *passage(NUM_OWN)] for _ in range(NUM_SHARING)],
            NUM_AFTER_SHARED,
            at_a_time=NUM_AT_A_TIME,
        )
        for _ in range(2)
    ]
    return {"seconds": warm.seconds, "cold_seconds": cold.seconds, "client_cores": warm.client_cores}


async def disturbed_streams(asker: Asker, passage: Passages) -> Figures:
    """Let streams run, and long prompts arrive one after another; how long do the streams stand still?

    The caller of the long prompts asks for a short text before, so that the streams are under way by then.
    """
    lengths = {NUM_PROMPT_TOKENS: NUM_STREAMS + 1, NUM_ARRIVING_TOKENS: NUM_ARRIVING}
    prompts = [passage(length) for length, count in lengths.items() for _ in range(count)]
    num_tokens = [*[NUM_STREAM_TOKENS] * NUM_STREAMS, NUM_TOKENS_BEFORE, *[1] * NUM_ARRIVING]
    asked = await asker.ask(prompts, num_tokens, at_a_time=NUM_STREAMS + 1)
    arriving = slice(NUM_STREAMS + 1, None)
    begun, ended = float(asked.sent[arriving].min()), float(asked.ended[arriving].max())
    if asked.ended[:NUM_STREAMS].min() < ended:
        raise WrongOutput(f"a stream of {NUM_STREAM_TOKENS} tokens ended before the long prompts did")
    gaps = [gap for stream in range(NUM_STREAMS) for gap in gaps_within(asked.arrivals(stream), begun, ended)]
    return {
        "gap_seconds_p99": nearest_rank(gaps, 0.99),
        "gap_seconds_p50": nearest_rank(gaps, 0.5),
        "arriving_first_token_seconds_p50": nearest_rank((asked.first_token - asked.sent)[arriving], 0.5),
        "client_cores": asked.client_cores,
    }


def gaps_within(arrivals: Instants, begun: float, ended: float) -> list[float]:
    """Return the gaps that ended in a span of time, and the one that its end cut short."""
    times = [*arrivals[arrivals <= ended].tolist(), ended]
    return [b - a for a, b in itertools.pairwise(times) if b >= begun]


def _decode(num_sequences: int, num_repeats: int) -> Workload:
    name, title = f"decode_{num_sequences}", f"decode, {num_sequences} at a time, tokens/s"
    run = partial(decode, num_sequences, num_repeats)
    return Workload(name, title, Need(num_sequences, 256), "tokens_per_second", run)


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
