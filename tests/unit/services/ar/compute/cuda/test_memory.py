"""How many blocks there are, of numbers worked out by hand."""

import dataclasses

import pytest
import torch

from services.ar.compute.cuda.memory import CacheWish, DeviceMemory, bytes_of_a_block, plan_blocks
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.model.config import ModelConfig
from tandem.shared.models import ModelError

MIB = 2**20
WISH = CacheWish(
    block_size=16, kv_cache_tokens=0, max_context_tokens=1000, max_num_sequences=4, gpu_memory_share=0.9
)  # 63 blocks a sequence, 252 in all


@pytest.mark.parametrize(
    ("free_mib", "steps_mib", "expected"),
    [
        (1000, 100, 252),  # room for 800, wanted are 252
        (200, 100, 79),  # 180 - 100, less the one for padding
        (200, 116, 63),
    ],
)
def test_as_many_as_fit_and_all_sequences_can_use(free_mib, steps_mib, expected):
    assert plan_blocks(WISH, MIB, DeviceMemory(free_mib * MIB, steps_mib * MIB)) == expected


def test_a_number_asked_for_is_had_whatever_the_share():
    wish = dataclasses.replace(WISH, kv_cache_tokens=1600, gpu_memory_share=0.1)
    assert plan_blocks(wish, MIB, DeviceMemory(201 * MIB, 100 * MIB)) == 100


def test_a_sequence_that_does_not_fit_is_an_error_in_the_user_s_terms():
    with pytest.raises(ModelError) as error:
        plan_blocks(WISH, MIB, DeviceMemory(200 * MIB, 117 * MIB))
    for words in (
        "max_context_tokens: 1008 tokens need 64 MiB",
        "of 200 MiB free on the device beside the weights, 63 MiB are left",
        "steps take 117 MiB, gpu_memory_share is 0.9",
    ):
        assert words in str(error.value)


def test_a_number_that_does_not_fit_is_an_error():
    wish = dataclasses.replace(WISH, kv_cache_tokens=1616)
    with pytest.raises(ModelError, match="kv_cache_tokens: 1616 tokens need 102 MiB"):
        plan_blocks(wish, MIB, DeviceMemory(201 * MIB, 100 * MIB))


def test_steps_that_take_more_than_there_is_leave_nothing():
    with pytest.raises(ModelError, match="0 MiB are left"):
        plan_blocks(WISH, MIB, DeviceMemory(10 * MIB, 100 * MIB))


def test_a_block_has_the_bytes_that_the_cache_has():
    config = ModelConfig(10, 32, 32, 3, 4, 2, 24, 100)
    cache = KVCache(config, 5, 8, torch.bfloat16, torch.device("cpu"))
    assert 5 * bytes_of_a_block(config, 8, torch.bfloat16) == cache.num_bytes
