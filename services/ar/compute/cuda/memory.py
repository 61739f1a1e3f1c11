"""How many blocks the KV cache gets on a CUDA device: what is free with the weights there, less what steps take."""

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings
from tandem.shared.models import ModelError

logger = logging.getLogger(__name__)

_MIB = 2**20


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes of a device, with the weights there: `free` ones, and those of them that `steps` need."""

    free: int
    steps: int


@torch.inference_mode()
def measure_memory(model: Transformer, max_batch_tokens: int, max_decode_rows: int) -> DeviceMemory:
    """Run the largest step there is, with all logits, but without a cache, and look at what it took."""
    device = model.norm.weight.device
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    positions = torch.arange(max_batch_tokens, device=device) % len(model.cos)
    model.logits(model(torch.zeros_like(positions), positions, no_attention)).log_softmax(dim=-1)
    peak = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    # Captured steps have memory of their own, at most as much again, and leave their logits where all find them.
    return DeviceMemory(free, 2 * peak + max_decode_rows * model.config.vocab_size * torch.float32.itemsize)


def no_attention(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return zeros in place of what attention gives, for steps without a cache."""
    return torch.zeros_like(query)


def bytes_of_a_block(config: ModelConfig, block_size: int, dtype: torch.dtype) -> int:
    return config.num_layers * 2 * config.num_kv_heads * config.head_dim * block_size * dtype.itemsize


def plan_blocks(settings: ArSettings, max_context_tokens: int, block_bytes: int, memory: DeviceMemory) -> int:
    """Return how many blocks the sequences get; one more is there for rows that fill a step up. Raises ModelError.

    With kv_cache_tokens 0 as many as memory allows, up to all sequences at full length.
    """
    block_size = settings.block_size
    longest = -(-max_context_tokens // block_size)
    if settings.kv_cache_tokens:
        name, share = "kv_cache_tokens", 1.0
        least = most = -(-settings.kv_cache_tokens // block_size)
    else:
        name, share = "max_context_tokens", settings.gpu_memory_share
        least, most = longest, longest * settings.max_num_sequences
    room = int(share * memory.free) - memory.steps
    fitting = room // block_bytes - 1
    if fitting < least:
        raise ModelError(
            f"{name}: {least * block_size} tokens need {_mib((least + 1) * block_bytes)} of keys and values; of "
            f"{_mib(memory.free)} free on the device beside the weights, {_mib(max(room, 0))} are left for them "
            f"(steps take {_mib(memory.steps)}, gpu_memory_share is {share:g})"
        )
    num_blocks = min(fitting, most)
    logger.info(
        "KV cache of %d tokens, %s of %s free on the device",
        num_blocks * block_size,
        _mib((num_blocks + 1) * block_bytes),
        _mib(memory.free),
    )
    return num_blocks


def _mib(num_bytes: int) -> str:
    return f"{num_bytes / _MIB:,.0f} MiB"
