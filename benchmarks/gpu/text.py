"""The transformer on the device: its answers beside the CPU's, its graphs, its steps beside the memory's bandwidth."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import torch

from benchmarks.gpu.stage import Stage
from benchmarks.harness.figures import NOW, Figures
from benchmarks.harness.load import open_tester
from benchmarks.harness.processes import free_port, running
from benchmarks.parity import ANSWER_TOKENS, BLOCK_SIZE, QUESTIONS, Kernel
from benchmarks.peers.engines import Engine, Need, tandem, vllm
from benchmarks.side_by_side.session import NUM_PROMPT_TOKENS, RATE, Workload, measure_workload, passages_of
from services.ar.codecs.text_codec import TextCodec
from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.cuda.graphs import Capture, Run, ladder
from services.ar.compute.cuda.memory import bytes_of_a_block, no_attention
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.weights import open_checkpoint
from services.ar.settings import ArSettings
from services.common.runtimes.calibrator import difference

CONTEXT_TOKENS = 256
SHORT, LONG = 8, 40
"""Tokens of the contexts that a graph is launched with."""
NEW_TOKENS = 64
NUM_STEPS = 50


@torch.inference_mode()
def tokens(stage: Stage, figures: Figures) -> None:
    """Hold the device's greedy answers against those of the CPU's kernel in float32."""
    checkpoint = open_checkpoint(stage.text.transformer_path())
    codec, given = TextCodec(checkpoint, CONTEXT_TOKENS), QUESTIONS[: stage.num_questions]
    prompts = [codec.encode_chat([("user", question)], is_plain_without=True) for question in given]

    def answers(kernel: Kernel) -> list[list[int]]:
        return [kernel.greedy(prompt, ANSWER_TOKENS, codec.eos_token_ids) for prompt in prompts]

    expected = answers(Kernel(checkpoint, "float32"))
    for dtype in ("float32", "bfloat16"):
        found = answers(Kernel(checkpoint, dtype, kernel="torch", device=stage.device))
        equal = [ours == others for ours, others in zip(found, expected, strict=True)]
        figures.add(f"tokens.{dtype}.equal_answers", NOW, statistics.fmean(equal))


class Recorder:
    """What makes graphs, with a note of each that it made and of each launch, by the number of rows."""

    def __init__(self, capture: Callable[[Run], Run]) -> None:
        self.captured: list[int] = []
        self.launched: Counter[int] = Counter()
        self._capture = capture

    def __call__(self, run: Run) -> Run:
        (size,) = cast("partial[None]", run).args
        launch = self._capture(run)
        self.captured.append(size)

        def recorded() -> None:
            self.launched[size] += 1
            launch()

        return recorded


class NoAttention:
    """Implements `forward.StepAttention` for a rehearsal, with zeros as the result."""

    tokens_of_a_tile = 1

    def __call__(self, rows: object) -> Callable[..., torch.Tensor]:
        return no_attention


def open_forward(
    stage: Stage, new_capture: Callable[[], Callable[[Run], Run]] | None
) -> tuple[Transformer, CudaForward]:
    """Return a model and what computes with it, its stream begun and its graphs made; None: without graphs.

    A rehearsal has the same steps and sizes, on the CPU and without the kernels.
    """
    device = torch.device(stage.device)
    dtype = torch.float32 if stage.is_rehearsal else torch.bfloat16
    model = load_transformer(open_checkpoint(stage.text.transformer_path()), dtype, device)
    model.prepare(CONTEXT_TOKENS)
    most = max(stage.streams)
    if stage.is_rehearsal:
        cache = KVCache(model.config, most * CONTEXT_TOKENS // BLOCK_SIZE + 1, BLOCK_SIZE, dtype, device)
        capture = new_capture and new_capture()
        forward = CudaForward(model, cache, NoAttention(), CONTEXT_TOKENS, CONTEXT_TOKENS, most, capture)
    else:
        from services.ar.compute.cuda import opening  # it imports Triton

        sizes = {
            "block_size": BLOCK_SIZE,
            "max_context_tokens": CONTEXT_TOKENS,
            "kv_cache_tokens": most * CONTEXT_TOKENS,
        }
        rows = {"max_num_sequences": most, "speculative_tokens": 0, "cuda_graphs": new_capture is not None}
        settings = ArSettings.model_validate({**sizes, **rows})
        forward, _ = opening.open_forward(model, settings, new_capture or Capture)
    forward.start()
    return model, forward


def decodes(num_rows: int, num_context_tokens: int) -> Layout:
    """Return the layout of a decode step, one token for each of that many sequences."""
    works, blocks = [], CONTEXT_TOKENS // BLOCK_SIZE
    for row in range(num_rows):
        token_id = 1 + (row + num_context_tokens) % 99
        sequence = Sequence([token_id] * (num_context_tokens + 1), SamplingParams(temperature=0.0))
        sequence.block_table = list(range(row * blocks, (row + 1) * blocks))
        sequence.num_computed_tokens = num_context_tokens
        works.append(Work(sequence, 1))
    return Layout(works, BLOCK_SIZE)


@torch.inference_mode()
def graphs(stage: Stage, figures: Figures) -> None:
    """Launch the graph of each size twice, and twice in a second shape: longer contexts, and the most padding."""
    recorder = Recorder((lambda run: run) if stage.is_rehearsal else Capture())
    _, forward = open_forward(stage, lambda: recorder)
    _, eager = open_forward(stage, None)
    sizes, captured = ladder(max(stage.streams)), list(recorder.captured)
    num_changed, distance = 0, 0.0
    for context, counts in ((SHORT, sizes), (LONG, [below + 1 for below in (0, *sizes[:-1])])):
        for num_rows in counts:
            layout = decodes(num_rows, context)
            first, second = (forward(layout).logits.float().cpu().numpy().copy() for _ in range(2))
            num_changed += first.tobytes() != second.tobytes()
            distance = max(distance, difference(first, eager(layout).logits.float().cpu().numpy()))
    figures.add("graphs.sizes", NOW, len(sizes))
    figures.add("graphs.captured_once", NOW, float(captured == sizes[::-1]))
    figures.add("graphs.captured_later", NOW, len(recorder.captured) - len(captured))
    figures.add("graphs.fewest_launches", NOW, min(recorder.launched[size] for size in sizes))
    figures.add("graphs.changed_replays", NOW, num_changed)
    figures.add("graphs.distance", NOW, distance)


@torch.inference_mode()
def decode(stage: Stage, figures: Figures) -> None:
    """Time decode steps; their floor is the time in which the memory gives weights, keys and values once."""
    model, forward = open_forward(stage, (lambda: lambda run: run) if stage.is_rehearsal else Capture)
    config, weight = model.config, model.head.weight
    bandwidth = copy_bandwidth(stage, weight.device)
    unread = 0 if config.ties_embeddings else model.embedding.weight.nbytes
    weights = sum(parameter.nbytes for parameter in model.parameters()) - unread
    figures.add("decode.copied_bytes_per_second", NOW, bandwidth)
    for num_rows in stage.streams:
        layout, seconds = decodes(num_rows, CONTEXT_TOKENS - 1), []
        for _ in range(NUM_STEPS):
            began = time.perf_counter()
            forward(layout)  # waits for the device
            seconds.append(time.perf_counter() - began)
        blocks = num_rows * CONTEXT_TOKENS // BLOCK_SIZE
        floor = (weights + blocks * bytes_of_a_block(config, BLOCK_SIZE, weight.dtype)) / bandwidth
        step = statistics.median(seconds)
        figures.add(f"decode.{num_rows}.step_ms", NOW, step * 1e3)
        figures.add(f"decode.{num_rows}.share_of_floor", NOW, floor / step)


def copy_bandwidth(stage: Stage, device: torch.device) -> float:
    """Return the bytes a second that the device reads and writes when it copies: the best of ten."""
    source = torch.zeros(stage.copied_bytes, dtype=torch.uint8, device=device)
    target, seconds = torch.empty_like(source), []
    for _ in range(10):
        began = time.perf_counter()
        target.copy_(source)
        target[-1].item()  # waits for the device
        seconds.append(time.perf_counter() - began)
    return 2 * stage.copied_bytes / min(seconds)


def streams(stage: Stage, figures: Figures) -> None:
    """Measure tokens/s of our service."""
    _serve(stage, figures, tandem(stage.text.name, "auto"))


def peer(stage: Stage, figures: Figures) -> None:
    """Measure tokens/s of vLLM, asked for the same."""
    with tempfile.TemporaryDirectory() as folder:
        engine = vllm(stage.text.transformer_path(), Path(folder))
        figures.attempt(engine.name, partial(_serve, stage, figures, engine))


def _serve(stage: Stage, figures: Figures, engine: Engine) -> None:
    ids = TextCodec(open_checkpoint(stage.text.transformer_path()), CONTEXT_TOKENS).tokens_within("\n".join(QUESTIONS))
    need, port = Need(max(stage.streams), CONTEXT_TOKENS), free_port()
    engine.set_up()
    with (
        running(engine.command(need, port), lambda: engine.is_ready(port)),
        open_tester(port, figures.audited_runs) as tester,
    ):
        for count in stage.streams:
            passage = passages_of(ids, f"{count}")
            for new_tokens in (8, NEW_TOKENS):  # the first is the warm-up
                workload = Workload(count, count, NUM_PROMPT_TOKENS, new_tokens, need)
                found = measure_workload(tester, f"{engine.name}, {count}", engine.dialect, workload, passage)
            figures.add(f"streams.{count}.{RATE}", engine.name, found[RATE])
