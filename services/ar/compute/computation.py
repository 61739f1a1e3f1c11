"""What computes a model's steps, chosen by the device, the settings and what this machine can do; says what it took."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from runtime.compiled.recipe import LibraryUnavailable
from runtime.models import ModelError
from services.ar.compute.cuda.availability import what_is_missing
from services.ar.compute.cuda.memory import CacheWish
from services.ar.compute.kv_cache import KVCache
from services.ar.compute.native.opening import open_native
from services.ar.compute.native.packing import STORED
from services.ar.compute.runner import Forward
from services.ar.compute.torch.exact import PREFILL_CHUNK_TOKENS, can_be_exact, make_exact
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.packed_linear import pack_linears
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.model.few_bits import in_four_bits
from services.ar.model.model import Transformer
from services.ar.model.weights import load_transformer
from services.ar.settings import ArSettings

logger = logging.getLogger(__name__)

_KV_CACHE_TOKENS = 16_384


@dataclass(frozen=True)
class Computation:
    """A model with its cache, ready to be started.

    chunk_tokens: where prompts must be cut, so that how a sequence is computed does not depend on the others; None
    where that makes no difference, or where nobody is promised that it does not.
    """

    forward: Forward
    num_blocks: int
    device: str
    dtype: str
    is_exact: bool
    kernel: str
    """What computes the steps: "native", "torch" or "cuda"."""
    kernel_causes: Mapping[str, object]
    """What results depend on to the last bit, besides weights, dtype and processor; values that JSON can hold."""
    chunk_tokens: int | None = None


def open_computation(
    checkpoint: Checkpoint,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
) -> Computation:
    """Read the weights into what computes with them; `report` is told the share read, 0 to 1. Raises ModelError."""
    try:
        return _open(checkpoint, max_context_tokens, num_threads, settings, report)
    except MemoryError:
        raise ModelError(
            f"the weights and a KV cache of {_num_blocks(settings) * settings.block_size} tokens do not fit the memory;"
            " kv_cache_tokens and max_context_tokens make the cache smaller"
        ) from None


def _open(
    checkpoint: Checkpoint,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
) -> Computation:
    device = _device(settings)
    if device.type == "cpu" and settings.kernel != "torch":
        try:
            return _native(checkpoint, max_context_tokens, num_threads, settings, report)
        except LibraryUnavailable as error:
            if settings.kernel == "native" or settings.dtype in ("int8", "int4"):
                raise ModelError(f"no native kernel: {error}") from None
            logger.warning("steps run as torch has them, several times slower: no native kernel, %s", error)
    if settings.dtype in ("int8", "int4"):
        raise ModelError(
            f"dtype: {settings.dtype} needs the native kernel, which is for CPUs; float32 and bfloat16 don't"
        )
    return _torch(checkpoint, device, max_context_tokens, num_threads, settings, report)


def _device(settings: ArSettings) -> torch.device:
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise ModelError("device: 'cuda' was asked for, but torch finds no CUDA device; run `tandem doctor`")
    return torch.device("cuda" if available and settings.device != "cpu" else "cpu")


def _num_blocks(settings: ArSettings) -> int:
    return -(-(settings.kv_cache_tokens or max(_KV_CACHE_TOKENS, settings.max_context_tokens)) // settings.block_size)


def _native(
    checkpoint: Checkpoint,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
) -> Computation:
    dtype = checkpoint.dtype if settings.dtype == "auto" else settings.dtype
    if dtype == "int4" != checkpoint.dtype:
        checkpoint = in_four_bits(checkpoint)
    packed_as = STORED if dtype == checkpoint.dtype else dtype
    num_blocks = _num_blocks(settings)
    forward = open_native(
        checkpoint,
        packed_as,
        torch.float32 if dtype == "float32" else torch.float16,
        num_blocks,
        settings.block_size,
        settings.max_batch_tokens,
        max_context_tokens,
        num_threads,
        report,
        settings.activation_bits,
    )
    causes = {"digest": forward.kernel_digest, "activation_bits": settings.activation_bits}
    return Computation(forward, num_blocks, "cpu", dtype, is_exact=True, kernel="native", kernel_causes=causes)


def _torch(
    checkpoint: Checkpoint,
    device: torch.device,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
) -> Computation:
    default = "bfloat16" if device.type == "cuda" else "float32"
    dtype = default if settings.dtype == "auto" else settings.dtype
    transformer = load_transformer(checkpoint, getattr(torch, dtype), device, report)
    is_exact = settings.exact == "on" or (settings.exact == "auto" and can_be_exact(transformer))
    if is_exact:
        make_exact(transformer)
    else:
        pack_linears(transformer)
    transformer.prepare(max_context_tokens)
    forward, num_blocks = _forward(transformer, num_threads, is_exact, settings)
    longest_chunk = settings.max_batch_tokens - settings.max_num_sequences + 1
    chunk_tokens = min(PREFILL_CHUNK_TOKENS, longest_chunk) if is_exact else None
    kernel = "torch" if isinstance(forward, TorchForward) else "cuda"
    causes = {"torch": torch.__version__, "device": _device_name(device), "threads": num_threads, "is_exact": is_exact}
    return Computation(forward, num_blocks, str(device), dtype, is_exact, kernel, causes, chunk_tokens)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _forward(transformer: Transformer, num_threads: int, is_exact: bool, settings: ArSettings) -> tuple[Forward, int]:
    """Return what computes, and how many blocks sequences may have."""
    weight = transformer.norm.weight
    if weight.device.type == "cuda":
        missing = _unfused(transformer.config) or what_is_missing(weight.device)
        if missing is None:
            return _cuda_forward(transformer, settings)
        logger.warning("no kernels of our own on this GPU, steps run as torch has them: %s", missing)
    num_blocks = _num_blocks(settings)
    cache = KVCache(transformer.config, num_blocks, settings.block_size, weight.dtype, weight.device)
    return TorchForward(transformer, cache, num_threads, is_exact), num_blocks


def _unfused(config: ModelConfig) -> str | None:
    """Return what keeps the GPU's kernels, which are made for Llamas, from this architecture; None if nothing does."""
    has_others = any(config.local_layers) or config.activation != "silu"
    return "they have no local layers and no GELU, which this model has" if has_others else None


def _cuda_forward(transformer: Transformer, settings: ArSettings) -> tuple[Forward, int]:
    from services.ar.compute.cuda.opening import open_forward  # it imports Triton

    wish = CacheWish(
        settings.block_size,
        settings.kv_cache_tokens,
        len(transformer.cos),
        settings.max_num_sequences,
        settings.gpu_memory_share,
    )
    max_decode_rows = min(settings.max_batch_tokens, settings.max_num_sequences * (1 + settings.speculative_tokens))
    return open_forward(transformer, wish, settings.max_batch_tokens, max_decode_rows, settings.cuda_graphs)
