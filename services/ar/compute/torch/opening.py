"""Opens what computes a model's steps by torch: on a CPU, or on a GPU, there with kernels of our own where they run."""

import logging
from collections.abc import Callable

import torch

from services.ar.compute.runner import Computation, Forward
from services.ar.compute.torch.exact import PREFILL_CHUNK_TOKENS, can_be_exact, make_exact, pack_linears
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings

logger = logging.getLogger(__name__)


def open_torch(
    checkpoint: Checkpoint,
    device_name: str,
    num_blocks: int,
    max_context_tokens: int,
    num_threads: int,
    settings: ArSettings,
    report: Callable[[float], None],
) -> Computation:
    """Read the weights onto the device; `num_blocks` are those of a cache on a CPU. Raises ModelError."""
    # Arithmetic threads here, beside those of the engine's thread, would be more than there are cores. OpenMP then
    # sleeps between operations instead of spinning, which costs a decode step 20 ms (measured on 2 cores).
    torch.set_num_threads(1)
    device = torch.device(device_name)
    default = "bfloat16" if device.type == "cuda" else "float32"
    dtype = default if settings.dtype == "auto" else settings.dtype
    transformer = load_transformer(checkpoint, getattr(torch, dtype), device, report)
    is_exact = settings.exact == "on" or (settings.exact == "auto" and can_be_exact(transformer))
    if is_exact:
        make_exact(transformer)
    else:
        pack_linears(transformer)
    transformer.prepare(max_context_tokens)
    forward, num_blocks = _forward(transformer, num_blocks, num_threads, is_exact, settings)
    longest_chunk = settings.max_batch_tokens - settings.max_num_sequences + 1
    chunk_tokens = min(PREFILL_CHUNK_TOKENS, longest_chunk) if is_exact else None
    kernel = "torch" if isinstance(forward, TorchForward) else "cuda"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    causes = {"torch": torch.__version__, "device": name, "threads": num_threads, "is_exact": is_exact}
    return Computation(forward, num_blocks, str(device), dtype, is_exact, kernel, causes, chunk_tokens)


def _forward(
    transformer: Transformer, num_blocks: int, num_threads: int, is_exact: bool, settings: ArSettings
) -> tuple[Forward, int]:
    """Return what computes, and how many blocks sequences may have."""
    weight = transformer.norm.weight
    if weight.device.type == "cuda":
        missing = _unfuse(transformer.config) or what_is_missing(weight.device)
        if missing is None:
            from services.ar.compute.cuda.opening import open_forward  # it imports Triton

            return open_forward(transformer, settings)
        logger.warning("no kernels of our own on this GPU, steps run as torch has them: %s", missing)
    cache = KVCache(transformer.config, num_blocks, settings.block_size, weight.dtype, weight.device)
    return TorchForward(transformer, cache, num_threads, is_exact), num_blocks


def _unfuse(config: ModelConfig) -> str | None:
    """Return what keeps the GPU's kernels, which are made for Llamas, from this architecture; None if nothing does."""
    has_others = any(config.local_layers) or config.activation != "silu"
    return "they have no local layers and no GELU, which this model has" if has_others else None


def has_device() -> bool:
    """Return whether torch finds a CUDA device."""
    return torch.cuda.is_available()


def what_is_missing(device: torch.device) -> str | None:
    """Return what keeps the kernels of our own from running on `device`, None if nothing does."""
    try:
        from services.ar.compute.cuda.opening import check_kernels

        check_kernels(device)
    # No Triton, no C compiler for its launchers, a card or driver that it does not know: it has no one error for them.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
