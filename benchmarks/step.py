"""One step of the text model, without server or sampling: native kernel and torch in turn, beside the memory's floor.

    python -m benchmarks.step [--rounds 5] [--contenders native-int4 torch-float32 ...]

Milliseconds of a decode step at 1, 8, 32 and 64 sequences of 128 tokens, and tokens/s of a prompt of 1,024 in chunks of
256. The floor of a step is the time in which two threads of torch add up as many bytes as weights and keys and values
have; a working set that fits a cache has a lower one than memory allows. The last line of stdout is JSON.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.harness.figures import Figures
from benchmarks.harness.printing import show, spread_table
from runtime.cores import usable_cores
from runtime.models import ModelRepository
from services.ar.compute.opening import open_computation
from services.ar.compute.runner import Forward
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings

MODEL = "smollm2-135m-instruct"
CONTENDERS = ("native-int4", "native-int8", "native-bfloat16", "native-float32", "torch-bfloat16", "torch-float32")
BATCHES = (1, 8, 32, 64)
CONTEXT_TOKENS = 128
PROMPT_TOKENS, CHUNK_TOKENS = 1024, 256
BLOCK_SIZE = 16
SECONDS_EACH = 1.0
BYTES_PER_WEIGHT = {"float32": 4.0, "bfloat16": 2.0, "int8": 1 + 2 / 32, "int4": 0.5 + 4 / 32}


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


def decodes(batch: int) -> Layout:
    """Return a decode step of `batch` sequences."""
    return Layout(decoding(batch, CONTEXT_TOKENS), BLOCK_SIZE)


def chunks() -> list[Layout]:
    """Return the steps of one long prompt."""
    layouts = []
    for start in range(0, PROMPT_TOKENS, CHUNK_TOKENS):
        sequence = Sequence([7 * i % 40_000 for i in range(PROMPT_TOKENS)], SamplingParams())
        sequence.block_table = list(range(PROMPT_TOKENS // BLOCK_SIZE))
        sequence.num_computed_tokens = start
        layouts.append(Layout([Work(sequence, CHUNK_TOKENS)], BLOCK_SIZE))
    return layouts


def seconds_of(forward: Forward, layouts: list[Layout]) -> float:
    """Return the median seconds of going through the layouts, repeated for about SECONDS_EACH."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS_EACH:
        started = time.perf_counter()
        for layout in layouts:
            forward(layout)
        times.append(time.perf_counter() - started)
    return statistics.median_high(times)


def open_forward(checkpoint: Checkpoint, contender: str) -> Forward:
    kernel, dtype = contender.split("-")
    settings = ArSettings.model_validate({"device": "cpu", "kernel": kernel, "dtype": dtype, "kv_cache_tokens": 16_384})
    forward = open_computation(checkpoint, 2048, usable_cores(), settings, lambda share: None).forward
    forward.start()
    return forward


def floor_seconds(checkpoint: Checkpoint, dtype: str, batch: int) -> float:
    """Return how long it takes to read what a step of `batch` sequences must read."""
    config = checkpoint.config
    per_layer = config.hidden_size * (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    per_layer += (
        config.hidden_size * config.num_heads * config.head_dim + 3 * config.hidden_size * config.intermediate_size
    )
    head_type = "int8" if dtype == "int4" else dtype  # the file's embedding has 8 bits
    num_bytes = config.num_layers * per_layer * BYTES_PER_WEIGHT[dtype]
    num_bytes += config.vocab_size * config.hidden_size * BYTES_PER_WEIGHT[head_type]
    cache_bytes = 4 if dtype == "float32" else 2
    num_bytes += batch * CONTEXT_TOKENS * config.num_layers * 2 * config.num_kv_heads * config.head_dim * cache_bytes
    numbers = torch.ones(int(num_bytes) // 8, dtype=torch.float64)
    times = []
    for _ in range(15):
        started = time.perf_counter()
        numbers.sum()
        times.append(time.perf_counter() - started)
    return statistics.median_high(times)


def measure(contenders: list[str], rounds: int, console: Console) -> Figures:
    """Return milliseconds a step, and tokens/s of the prompt."""
    checkpoint = open_checkpoint(ModelRepository(Path("models")).get(MODEL).transformer_path())
    figures = Figures()
    for number in range(rounds):
        # One at a time: the threads of two would spin beside each other.
        for contender in contenders:
            forward = open_forward(checkpoint, contender)
            for batch in BATCHES:
                figures.add(f"step_{batch}_ms", contender, 1e3 * seconds_of(forward, [decodes(batch)]))
            figures.add("prompt_tokens_per_second", contender, PROMPT_TOKENS / seconds_of(forward, chunks()))
            torch.set_num_threads(usable_cores())
            for batch in (1, 32):
                floor = floor_seconds(checkpoint, contender.split("-")[1], batch)
                figures.add(f"floor_{batch}_ms", contender, 1e3 * floor)
            del forward
        console.print(f"round {number + 1} of {rounds} done")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    options = parser.parse_args()
    with torch.inference_mode():
        found = measure(list(options.contenders), options.rounds, Console(stderr=True)).spreads()
    table = spread_table(found, options.contenders, title=f"{MODEL}: median (min-max) of {options.rounds} rounds")
    show(table, {"benchmark": "step", "figures": found})


if __name__ == "__main__":
    main()
