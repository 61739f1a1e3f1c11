"""A decode step on a GPU against what its memory allows, with CUDA graphs and without, at several batch sizes.

    python -m benchmarks.gpu_step [--model smollm2-135m-instruct] [--batches 1 32 256] [--context 512] [--rounds 5]

The floor is the time to read every weight once and the keys and values of all sequences, at the bandwidth that a copy
on the device reaches. A step is what an engine cannot do without: lay the batch out, compute, choose greedy tokens,
have them on the host. `device` is the part of it that the device computes, by its own clock. Graphs and none take
turns. The last line of stdout is JSON.
"""

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.harness.printing import show
from runtime.models import ModelRepository
from services.ar.compute.cuda.memory import CacheWish, bytes_of_a_block
from services.ar.compute.runner import Forward
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work
from services.ar.model.weights import open_checkpoint
from tandem.measure.formats import decimals
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.statistics.intervals import over_rounds

BLOCK_SIZE = 16
NUM_STEPS = 50
COPIED_BYTES = 2**30
GRAPHS = {True: "graphs", False: "no graphs"}

Figures = dict[str, list[float]]


def bytes_read(model: Transformer, batch: int, context: int) -> int:
    """Return the bytes that a decode step reads at least: weights, and what `batch` sequences have of keys and values.

    Of an embedding that is not also the head it reads a row a sequence, which is nothing.
    """
    parameters = {parameter.data_ptr(): parameter.nbytes for parameter in model.parameters()}
    weights = sum(parameters.values()) - (0 if model.config.ties_embeddings else model.embedding.weight.nbytes)
    return weights + batch * context * bytes_of_a_block(model.config, 1, model.norm.weight.dtype)


def copy_bandwidth() -> float:
    """Return the bytes a second, read and written, of the best of ten copies on the device."""
    source = torch.zeros(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / min(_device_seconds(lambda: target.copy_(source)) for _ in range(10))


def _device_seconds(work: Callable[[], object]) -> float:
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    started.record()
    work()
    ended.record()
    ended.synchronize()
    return float(started.elapsed_time(ended)) / 1e3


def decoding(batch: int, context: int) -> list[Work]:
    """Return the work of sequences that have `context` tokens, the last of which is to be computed."""
    pool = BlockPool(batch * -(-context // BLOCK_SIZE), BLOCK_SIZE)
    works = []
    for number in range(batch):
        sequence = Sequence([number] * context, SamplingParams(temperature=0.0))
        pool.grow(sequence.block_table, context)
        sequence.num_computed_tokens = context - 1
        works.append(Work(sequence, 1))
    return works


@torch.inference_mode()
def time_steps(forward: Forward, works: list[Work]) -> tuple[float, float]:
    """Return the median seconds of a step, and of the device's part of it."""

    def step() -> float:
        started = time.perf_counter()
        forward(Layout(works, BLOCK_SIZE)).logits.argmax(dim=-1).tolist()
        return time.perf_counter() - started

    layout = Layout(works, BLOCK_SIZE)
    step()
    seconds = statistics.median(step() for _ in range(NUM_STEPS))
    return seconds, statistics.median(_device_seconds(lambda: forward(layout)) for _ in range(NUM_STEPS))


def open_forwards(model: Transformer, batches: list[int], context: int) -> dict[bool, Forward]:
    """Return a started forward with CUDA graphs and one without."""
    from services.ar.compute.cuda.opening import open_forward

    most = max(batches)
    wish = CacheWish(BLOCK_SIZE, most * (context + BLOCK_SIZE), context, most, gpu_memory_share=1.0)
    forwards = {has_graphs: open_forward(model, wish, most, most, has_graphs)[0] for has_graphs in GRAPHS}
    for forward in forwards.values():
        forward.start()
    return dict(forwards)


def measure(forwards: dict[bool, Forward], batches: list[int], context: int, rounds: int) -> tuple[Figures, Figures]:
    """Return seconds of a step and of its device's part, by batch and mode, one figure a round."""
    steps: Figures = defaultdict(list)
    devices: Figures = defaultdict(list)
    for _ in range(rounds):
        for batch in batches:
            works = decoding(batch, context)
            for has_graphs, forward in forwards.items():
                step, device = time_steps(forward, works)
                steps[f"{batch}, {GRAPHS[has_graphs]}"].append(1e3 * step)
                devices[f"{batch}, {GRAPHS[has_graphs]}"].append(1e3 * device)
    return steps, devices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_step: torch finds no CUDA device, and there is nothing to measure without one", file=sys.stderr)
        return
    checkpoint = open_checkpoint(ModelRepository(Path("models")).get(options.model).transformer_path())
    model = load_transformer(checkpoint, torch.bfloat16, torch.device("cuda"))
    model.prepare(options.context)
    bandwidth = copy_bandwidth()
    forwards = open_forwards(model, options.batches, options.context)
    steps, devices = measure(forwards, options.batches, options.context, options.rounds)
    floors = {
        f"{batch}, {mode}": 1e3 * bytes_read(model, batch, options.context) / bandwidth
        for batch in options.batches
        for mode in GRAPHS.values()
    }
    card = torch.cuda.get_device_name()
    title = f"{options.model} in bfloat16, {options.context} tokens each, {card}, copies at {bandwidth / 1e9:.0f} GB/s"
    step, device = ({name: over_rounds(values) for name, values in each.items()} for each in (steps, devices))
    rows = [
        Row(
            (
                name,
                value_cell(value, decimals(3)),
                value_cell(device[name], decimals(3)),
                f"{floors[name]:.3f}",
                f"{value.value / floors[name]:.2f}",
            )
        )
        for name, value in step.items()
    ]
    report = {
        "benchmark": "gpu_step",
        "card": card,
        "torch": torch.__version__,
        "model": options.model,
        "context_tokens": options.context,
        "copy_bytes_per_second": round(bandwidth),
        "step_milliseconds": step,
        "device_milliseconds": device,
        "floor_milliseconds": {name: round(value, 4) for name, value in floors.items()},
    }
    show(Table(("batch", "step, ms", "device, ms", "floor, ms", "step / floor"), rows, title), report)


if __name__ == "__main__":
    main()
