"""Times one step of the text model in this process, without a server and without sampling."""

from __future__ import annotations

import statistics
import time

from runtime.cores import usable_cores
from services.ar.compute.opening import open_computation
from services.ar.compute.runner import Forward
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.settings import ArSettings

TEXT_MODEL = "smollm2-135m-instruct"
BLOCK_SIZE = 16
_SECONDS_EACH = 1.0


def decoding(batch: int, context: int) -> list[Work]:
    """Return the work of sequences that have `context` tokens, the last of which is to be computed."""
    pool = BlockPool(batch * -(-context // BLOCK_SIZE), BLOCK_SIZE)
    works = []
    for number in range(batch):
        sequence = Sequence([number] * context, SamplingParams())
        pool.grow(sequence.block_table, context)
        sequence.num_computed_tokens = context - 1
        works.append(Work(sequence, 1))
    return works


def seconds_of(forward: Forward, works: list[Work]) -> float:
    """Return the median seconds of a step, repeated for about a second."""
    layout, times = Layout(works, BLOCK_SIZE), list[float]()
    while len(times) < 3 or sum(times) < _SECONDS_EACH:
        started = time.perf_counter()
        forward(layout)
        times.append(time.perf_counter() - started)
    return statistics.median_high(times)


def open_kernel(checkpoint: Checkpoint, num_tokens: int, **settings: str) -> Forward:
    """Open and start the kernel on a checkpoint. Its cache holds `num_tokens`; `settings` are others of ArSettings."""
    context = min(num_tokens, 2048)
    sizes = {"block_size": BLOCK_SIZE, "kv_cache_tokens": num_tokens, "max_context_tokens": context}
    chosen = ArSettings.model_validate({"device": "cpu", "kernel": "native", **sizes, **settings})
    forward = open_computation(checkpoint, context, usable_cores(), chosen, lambda share: None).forward
    forward.start()
    return forward
