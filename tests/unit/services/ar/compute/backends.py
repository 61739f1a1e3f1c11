"""Every implementation of `runner.Forward`, opened on a checkpoint together with the tensors of its cache."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.native.parameters import CacheDtype
from services.ar.compute.runner import Forward
from services.ar.compute.torch.exact import make_exact
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.checkpoint import Checkpoint
from tests.unit.services.ar.compute.cuda.block_attention import TorchBlockAttention
from tests.unit.services.ar.compute.cuda.triton_device import DEVICE
from tests.unit.services.ar.compute.native.formats import in_format, native

BLOCK_SIZE = 16
NUM_BLOCKS = 16
MAX_CONTEXT_TOKENS = 128
MAX_BATCH_TOKENS = 64
MAX_ROWS = 8  # of a step without chunks
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Opened:
    forward: Forward
    caches: list[Tensor]

    def holds_only_finite_numbers(self) -> bool:
        return all(bool(cache.isfinite().all()) for cache in self.caches)


Open = Callable[[Checkpoint], Opened]


def open_native(dtype: str, level: str | None = None, cache_dtype: CacheDtype | None = None) -> Open:
    def opened(checkpoint: Checkpoint) -> Opened:
        forward = native(in_format(checkpoint, dtype), dtype, NUM_BLOCKS, level, cache_dtype=cache_dtype)
        return Opened(forward, [torch.from_numpy(tensor) for layer in forward._caches for tensor in layer])

    return opened


def open_torch(dtype: torch.dtype, is_exact: bool = False) -> Open:
    def opened(checkpoint: Checkpoint) -> Opened:
        model, cache = _model(checkpoint, dtype)
        if is_exact:
            make_exact(model)
        return _started(TorchForward(model, cache, 1, is_exact), model, cache)

    return opened


def open_cuda(has_graphs: bool) -> Open:
    """Return what opens the forward of a GPU on a CPU, with attention in torch; a graph is run as it is."""

    def opened(checkpoint: Checkpoint) -> Opened:
        model, cache = _model(checkpoint, torch.float32)
        attention = TorchBlockAttention(cache, model.config.sliding_window)
        capture = (lambda run: run) if has_graphs else None
        forward = CudaForward(model, cache, attention, MAX_CONTEXT_TOKENS, MAX_BATCH_TOKENS, MAX_ROWS, capture)
        return _started(forward, model, cache)

    return opened


def open_triton(checkpoint: Checkpoint) -> Opened:
    """Open the forward of a GPU with its own kernels, on a card or in Triton's interpreter."""
    from services.ar.compute.cuda.attention import BlockAttention, KernelShapes
    from services.ar.compute.cuda.fused import fuse

    model, cache = _model(checkpoint, torch.float32, DEVICE)
    fuse(model)
    attention = BlockAttention(KernelShapes(model.config, BLOCK_SIZE, torch.float32, MAX_CONTEXT_TOKENS, 1), cache)
    forward = CudaForward(model, cache, attention, MAX_CONTEXT_TOKENS, MAX_BATCH_TOKENS, MAX_ROWS, None)
    return _started(forward, model, cache)


def _started(forward: Forward, model: Transformer, cache: KVCache) -> Opened:
    forward.start()
    return Opened(forward, [tensor for layer in range(model.config.num_layers) for tensor in cache.layer(layer)])


def _model(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device = CPU) -> tuple[Transformer, KVCache]:
    model = load_transformer(checkpoint, dtype, device)
    model.prepare(MAX_CONTEXT_TOKENS)
    return model, KVCache(model.config, NUM_BLOCKS + 1, BLOCK_SIZE, dtype, device)
