"""How many blocks there are, of numbers worked out by hand."""

import pytest
import torch

from services.ar.compute.cuda.memory import DeviceMemory, bytes_of_a_block, plan_blocks
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.model.config import ModelConfig
from services.ar.settings import ArSettings
from tandem.shared.models import ModelError

MIB = 2**20


def plan(free: int, steps: int, **settings: float) -> int:
    """Return the blocks, with so many MiB, of sequences of 1,000 tokens: 63 a sequence, 252 in all are wanted."""
    settings = {"max_num_sequences": 4, "max_context_tokens": 1000, "gpu_memory_share": 0.9} | settings
    return plan_blocks(ArSettings(block_size=16, **settings), 1000, MIB, DeviceMemory(free * MIB, steps * MIB))


@pytest.mark.parametrize(
    ("free_mib", "steps_mib", "expected"),
    [
        (1000, 100, 252),  # room for 800, wanted are 252
        (200, 100, 79),  # 180 - 100, less the one for padding
        (200, 116, 63),
    ],
)
def test_as_many_as_fit_and_all_sequences_can_use(free_mib, steps_mib, expected):
    assert plan(free_mib, steps_mib) == expected


def test_a_number_asked_for_is_had_whatever_the_share():
    assert plan(201, 100, kv_cache_tokens=1600, gpu_memory_share=0.1) == 100


@pytest.mark.parametrize(
    ("free_mib", "steps_mib", "settings", "message"),
    [
        (200, 117, {}, r"max_context_tokens: 1008 tokens need 64 MiB.*; of 200 MiB free .*weights, 63 MiB are left"),
        (200, 117, {}, r"steps take 117 MiB, gpu_memory_share is 0.9"),
        (201, 100, {"kv_cache_tokens": 1616}, r"kv_cache_tokens: 1616 tokens need 102 MiB"),
        (10, 100, {}, r"0 MiB are left"),  # steps take more than there is
    ],
)
def test_what_does_not_fit_is_an_error_in_the_user_s_terms(free_mib, steps_mib, settings, message):
    with pytest.raises(ModelError, match=message):
        plan(free_mib, steps_mib, **settings)


def test_a_block_has_the_bytes_that_the_cache_has():
    config = ModelConfig(10, 32, 32, 3, 4, 2, 24, 100)
    cache = KVCache(config, 5, 8, torch.bfloat16, torch.device("cpu"))
    assert 5 * bytes_of_a_block(config, 8, torch.bfloat16) == cache.num_bytes
