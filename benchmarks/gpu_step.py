"""A decode step on a GPU against what its memory allows, with CUDA graphs and without, at several batch sizes.

    python -m benchmarks.gpu_step [--model smollm2-135m-instruct] [--batches 1 32 256] [--context 512] [--rounds 5]

The floor is the time to read every weight once and the keys and values of all sequences, at the bandwidth that a copy
on the device reaches. A step is what an engine cannot do without: lay the batch out, compute, choose greedy tokens,
have them on the host. `device` is the part of it that the device computes, by its own clock. Graphs and none take
turns. The last line of stdout is JSON.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.kernel import BLOCK_SIZE, TEXT_MODEL, decoding
from benchmarks.harness.printing import show, spread_table
from services.ar.compute.cuda.memory import CacheWish, bytes_of_a_block
from services.ar.compute.runner import Forward
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.engine.step import Layout, Work
from services.ar.model.weights import open_checkpoint
from tandem.measure.formats import decimals
from tandem.shared.models import ModelRepository

NUM_STEPS = 50
COPIED_BYTES = 2**30
COLUMNS = ("step, ms", "device, ms", "floor, ms", "step / floor")


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


def open_forwards(model: Transformer, batches: list[int], context: int) -> dict[str, Forward]:
    """Return a started forward with CUDA graphs and one without, by name."""
    from services.ar.compute.cuda.opening import open_forward

    most = max(batches)
    wish = CacheWish(BLOCK_SIZE, most * (context + BLOCK_SIZE), context, most, gpu_memory_share=1.0)
    forwards: dict[str, Forward] = {}
    for name, has_graphs in (("graphs", True), ("no graphs", False)):
        forwards[name] = open_forward(model, wish, most, most, has_graphs)[0]
        forwards[name].start()
    return forwards


def measure(forwards: dict[str, Forward], floors: dict[int, float], context: int, rounds: int) -> Figures:
    """Return milliseconds of a step, of its device's part, and of the floor (`floors`: seconds by batch)."""
    figures = Figures()
    for _ in range(rounds):
        for batch, floor in floors.items():
            works = decoding(batch, context)
            for name, forward in forwards.items():
                step, device = time_steps(forward, works)
                found = (1e3 * step, 1e3 * device, 1e3 * floor, step / floor)
                for column, value in zip(COLUMNS, found, strict=True):
                    figures.add(f"{batch}, {name}", column, value)
    return figures


def main() -> None:
    flags = parser(__doc__, rounds=5)
    flags.add_argument("--model", default=TEXT_MODEL)
    flags.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256])
    flags.add_argument("--context", type=int, default=512)
    options = flags.parse_args()
    if not torch.cuda.is_available():
        print("gpu_step: torch finds no CUDA device, and there is nothing to measure without one", file=sys.stderr)
        return
    checkpoint = open_checkpoint(ModelRepository(Path("models")).get(options.model).transformer_path())
    model = load_transformer(checkpoint, torch.bfloat16, torch.device("cuda"))
    model.prepare(options.context)
    bandwidth = copy_bandwidth()
    forwards = open_forwards(model, options.batches, options.context)
    floors = {batch: bytes_read(model, batch, options.context) / bandwidth for batch in options.batches}
    found = measure(forwards, floors, options.context, options.rounds).spreads()
    card = torch.cuda.get_device_name()
    title = f"{options.model} in bfloat16, {options.context} tokens each, {card}, copies at {bandwidth / 1e9:.0f} GB/s"
    about = {"card": card, "torch": torch.__version__, "model": options.model, "context_tokens": options.context}
    report = {"benchmark": "gpu_step", **about, "copy_bytes_per_second": round(bandwidth), "figures": found}
    show(spread_table(found, COLUMNS, decimals(3), title), report)


if __name__ == "__main__":
    main()
