"""The native kernel against transformers and against torch with the same rounding, and against itself to the bit."""

import gc
import random
import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from services.ar.compute.native.forward import NativeForward
from services.ar.compute.native.packing import STORED, pack
from services.ar.compute.runner import Runner
from services.ar.compute.torch.kv_cache import LayeredAttention
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Attention, Transformer
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout, Work
from services.ar.model.arrays import FLOATS, Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import QuantisedTensor, add_minima
from services.ar.model.weights import open_checkpoint
from tests.causal_attention import CausalAttention
from tests.engine_loop import Brought, brought, check_company
from tests.kernels import USABLE_LEVELS
from tests.rounding import ByteCacheAttention, HalfCacheAttention, round_activations
from tests.tiny_models import FAMILIES, VOCAB_SIZE, save_tiny_model
from tests.unit.services.ar.compute.native.formats import (
    BLOCK_SIZE,
    DTYPES,
    KINDS,
    NUM_ROWS,
    in_format,
    is_rounded,
    kernel,
    native,
    round_weights,
)


@pytest.fixture(scope="module", params=FAMILIES)
def tiny(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return save_tiny_model(folder, request.param), open_checkpoint(folder)


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("qwen3")
    save_tiny_model(folder, "qwen3")
    return open_checkpoint(folder)


def random_matrix(num_rows: int, num_columns: int) -> Array:
    return np.random.default_rng(num_rows).standard_normal((num_rows, num_columns), np.float32)


def random_ids(length: int, seed: int) -> list[int]:
    return torch.randint(VOCAB_SIZE, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def logits_of(forward: NativeForward, token_ids: list[int], chunk: int = NUM_ROWS) -> Tensor:
    """Return the logits at each place of a text, computed in chunks, its blocks in no order."""
    sequence = Sequence([*token_ids, 0], SamplingParams(logprobs=True), is_scored=True)
    sequence.block_table = random.Random(1).sample(range(20), -(-len(token_ids) // BLOCK_SIZE))
    parts = []
    while sequence.num_computed_tokens < len(token_ids):
        work = Work(sequence, min(chunk, len(token_ids) - sequence.num_computed_tokens))
        parts.append(torch.from_numpy(forward(Layout([work], BLOCK_SIZE)).logits.copy()))
        sequence.num_computed_tokens += work.num_tokens
    return torch.cat(parts)


def reference_logits(
    checkpoint: Checkpoint, dtype: str, texts: list[list[int]], kind: Callable[..., Attention] | None = None
) -> list[Tensor]:
    model: Transformer = load_transformer(checkpoint, torch.float32, torch.device("cpu"))
    model.prepare(256)
    if is_rounded(dtype):
        round_activations(model)
    attention = LayeredAttention(model.config, kind or (CausalAttention if dtype == "float32" else HalfCacheAttention))
    return [model.logits(model(torch.tensor(text), torch.arange(len(text)), attention)) for text in texts]


@torch.inference_mode()
def test_logits_in_float32_are_those_of_transformers(tiny):
    reference, checkpoint = tiny
    token_ids = random_ids(100, seed=1)
    expected = reference(torch.tensor([token_ids])).logits[0]
    torch.testing.assert_close(logits_of(native(checkpoint, "float32"), token_ids), expected, atol=1e-4, rtol=0)


def test_logits_are_those_of_torch_with_the_same_rounding(tiny):
    assert_rounds_as_torch(tiny[1], "mixed")


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_each_format_are_those_of_torch_with_the_same_rounding(qwen3, dtype):
    assert_rounds_as_torch(qwen3, dtype)


@torch.inference_mode()
def assert_rounds_as_torch(checkpoint: Checkpoint, dtype: str) -> None:
    """Where a value lies between two steps, torch and the kernel may take different ones: not all texts agree."""
    checkpoint = in_format(checkpoint, dtype)
    forward = native(checkpoint, dtype, fine_positions=0)
    texts = [random_ids(4, seed) for seed in range(20)]
    found = [logits_of(forward, text) for text in texts]
    assert share_alike(found, reference_logits(checkpoint, dtype, texts)) >= 0.5
    # The rounding is no small thing: without it none agrees.
    if is_rounded(dtype):
        assert share_alike(found, reference_logits(checkpoint, "float32", texts)) == 0


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if is_rounded(dtype)])
@torch.inference_mode()
def test_where_activations_have_sixteen_bits_logits_are_those_without_rounding(qwen3, dtype):
    checkpoint = in_format(qwen3, dtype)
    texts = [random_ids(4, seed) for seed in range(20)]
    expected = torch.cat(reference_logits(checkpoint, "float16", texts))
    found = {
        positions: torch.cat([logits_of(native(checkpoint, dtype, fine_positions=positions), text) for text in texts])
        for positions in (0, 2, 4)
    }
    errors = {positions: float((logits - expected).square().mean().sqrt()) for positions, logits in found.items()}
    assert errors[4] < 0.02 * errors[0]
    is_fine = torch.arange(4).repeat(len(texts)) < 2
    assert torch.equal((found[2] == found[4]).all(-1), is_fine)


@pytest.mark.parametrize(
    ("family", "changes"),
    [("qwen3", {"head_dim": 24}), ("qwen3", {"head_dim": 40}), ("mistral", {"head_dim": 80, "sliding_window": 2})],
)
@torch.inference_mode()
def test_a_cache_of_bytes_gives_what_torch_does_with_the_same_rounding(tmp_path, family, changes):
    """Where a value lies between two steps, torch and the kernel may take different ones: not all texts agree."""
    save_tiny_model(tmp_path, family, **changes)
    checkpoint = open_checkpoint(tmp_path)
    forward = native(checkpoint, "float32", cache_dtype="int8", fine_positions=0)
    texts = [random_ids(4, seed) for seed in range(20)]
    found = [logits_of(forward, text) for text in texts]
    assert share_alike(found, reference_logits(checkpoint, "float32", texts, ByteCacheAttention)) >= 0.5
    # The rounding is no small thing: without it none agrees.
    assert share_alike(found, reference_logits(checkpoint, "float32", texts)) == 0


def share_alike(found: list[Tensor], expected: list[Tensor]) -> float:
    return sum(torch.allclose(a, b, atol=1e-4, rtol=0) for a, b in zip(found, expected, strict=True)) / len(found)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_every_instruction_set_gives_the_same_bits(qwen3, kind):
    checkpoint = in_format(qwen3, kind["dtype"])
    token_ids = random_ids(70, seed=3)
    first, *others = (logits_of(native(checkpoint, **kind, level=level), token_ids) for level in USABLE_LEVELS)
    assert all(torch.equal(first, other) for other in others)


@torch.inference_mode()
def test_logits_do_not_depend_on_where_a_text_is_cut(tiny):
    for kind in KINDS:
        forward, token_ids = native(in_format(tiny[1], kind["dtype"]), **kind), random_ids(90, seed=4)
        whole = logits_of(forward, token_ids)
        assert all(torch.equal(logits_of(forward, token_ids, chunk), whole) for chunk in (1, 3, 7, 33)), kind


def outputs(forward: NativeForward, running: list[Sequence], num_blocks: int) -> tuple[Brought, int]:
    """Return what each sequence brought, and the number of preemptions."""
    pool = BlockPool(num_blocks, BLOCK_SIZE)
    scheduler = Scheduler(pool, 8, 32, prefix_cache=PrefixCache(pool))
    runner = Runner(forward, BLOCK_SIZE, VOCAB_SIZE)
    return brought(scheduler, runner, running), scheduler.num_preemptions


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_and_log_probabilities_do_not_depend_on_company(tmp_path, kind):
    save_tiny_model(tmp_path, "mistral")
    forward = native(in_format(open_checkpoint(tmp_path), kind["dtype"]), num_blocks=128, **kind)
    check_company(partial(outputs, forward), num_shared=40)


def test_q4_0_gives_the_bits_of_4_bits_with_its_minima_written_out(qwen3):
    short = in_format(qwen3, "q4_0")
    tensors = [
        (name, add_minima(tensor) if isinstance(tensor, QuantisedTensor) and tensor.kind == "q4_0" else tensor)
        for name, tensor in short.read_tensors()
    ]
    long = replace(short, read_tensors=lambda: iter(tensors))
    ids = random_ids(40, 3)
    assert torch.equal(logits_of(native(short), ids), logits_of(native(long), ids))


def test_parts_of_two_types_stay_apart_where_panels_allow_it():
    parts = [round_weights(random_matrix(rows, 64), kind) for rows, kind in ((64, "int4"), (32, "int4"), (40, "int6"))]
    assert [part.format for part in pack(parts, STORED, kernel()).parts] == ["int4", "int6"]
    assert [part.format for part in pack([parts[2], *parts[:2]], STORED, kernel()).parts] == ["int8"]
    assert [part.format for part in pack([parts[0], parts[2]], STORED, kernel(), alternate=True).parts] == ["int8"]
    assert [part.format for part in pack([parts[0].dequantise(), parts[1]], STORED, kernel()).parts] == ["int8", "int4"]
    mixed = [random_matrix(8, 64).astype(FLOATS[dtype]) for dtype in ("float16", "bfloat16")]
    assert [part.format for part in pack(mixed, STORED, kernel()).parts] == ["float32"]


def test_the_weights_of_one_that_is_gone_are_gone_at_once(qwen3):
    """A timer waits to enlarge their pages."""
    forward = native(qwen3)
    parameters = weakref.ref(forward._parameters)
    del forward
    gc.collect()
    assert parameters() is None
