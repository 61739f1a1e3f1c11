"""Opens what runs a transformer on a CUDA device: its kernels, its cache as large as memory allows, its graphs."""

from collections.abc import Callable

import torch

from services.ar.compute.cuda.attention import BlockAttention, KernelShapes
from services.ar.compute.cuda.forward import CudaForward
from services.ar.compute.cuda.fused import fuse
from services.ar.compute.cuda.graphs import Capture, Run
from services.ar.compute.cuda.inputs import StepRows
from services.ar.compute.cuda.memory import bytes_of_a_block, measure_memory, plan_blocks
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings


def open_forward(
    model: Transformer, settings: ArSettings, new_capture: Callable[[], Callable[[Run], Run]] = Capture
) -> tuple[CudaForward, int]:
    """Return what computes, not started, and the number of blocks that sequences may have. Raises ModelError.

    `model`, on the device and with its rotary table, is changed: its layers are fused. `new_capture` makes what
    captures its graphs.
    """
    config, weight = model.config, model.norm.weight
    block_size, max_context_tokens = settings.block_size, len(model.cos)
    max_batch_tokens = settings.max_batch_tokens
    max_decode_rows = min(max_batch_tokens, settings.max_num_sequences * (1 + settings.speculative_tokens))
    fuse(model)
    memory = measure_memory(model, max_batch_tokens, max_decode_rows)
    num_blocks = plan_blocks(settings, max_context_tokens, bytes_of_a_block(config, block_size, weight.dtype), memory)
    cache = KVCache(config, num_blocks + 1, block_size, weight.dtype, weight.device)
    num_processors = torch.cuda.get_device_properties(weight.device).multi_processor_count
    shapes = KernelShapes(config, block_size, weight.dtype, max_context_tokens, num_processors)
    capture = new_capture() if settings.cuda_graphs else None
    forward = CudaForward(
        model, cache, BlockAttention(shapes, cache), max_context_tokens, max_batch_tokens, max_decode_rows, capture
    )
    return forward, num_blocks


def check_kernels(device: torch.device) -> None:
    """Have the kernels attend to one key, which gives its value. Raises what keeps them from it."""
    config = ModelConfig(16, 32, 32, 1, 2, 1, 16, 16)
    cache = KVCache(config, 1, 16, torch.float32, device)
    attention = BlockAttention(KernelShapes(config, 16, torch.float32, 16, 1), cache)
    zeros = torch.zeros(1, dtype=torch.int64, device=device)
    is_finite = torch.ones(1, dtype=torch.uint8, device=device)
    table = torch.zeros((1, 1), dtype=torch.int32, device=device)
    rows = StepRows(zeros, zeros, zeros, table, is_finite, num_singles=1, text_positions=zeros)
    query, key, value = torch.randn((3, 1, 2, 16), device=device).unbind()
    out = attention(rows)(0, query, key[:, :1], value[:, :1])
    if not torch.allclose(out, value[:, :1].expand_as(out), atol=1e-5):
        raise RuntimeError("Triton's kernels compute wrong values here")
