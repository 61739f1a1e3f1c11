"""What a cache of each type holds of numbers that it has no room for."""

import pytest
import torch

from services.ar.compute.torch.kv_cache import Decodes, FiniteRows, KVCache, PagedAttention, saturate
from services.ar.model.config import ModelConfig

LARGEST = {torch.float16: 65_504.0, torch.bfloat16: 3.3895313892515355e38, torch.float32: 3.4028234663852886e38}


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("given", [torch.float32, torch.float64])
def test_numbers_beyond_the_type_become_its_largest_and_nan_becomes_0(dtype, given):
    numbers = torch.tensor([1.5, torch.inf, -torch.inf, torch.nan, 3.4028e38, -3.4028e38, 65_519.0], dtype=given)
    most = LARGEST[dtype]
    expected = [1.5, most, -most, 0.0, min(most, 3.4028e38), max(-most, -3.4028e38), min(most, 65_519.0)]
    found = saturate(numbers, dtype)
    assert found.dtype is dtype
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64).to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", LARGEST)
def test_what_is_in_range_is_kept_to_the_bit(dtype):
    numbers = torch.randn(1000, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert torch.equal(saturate(numbers, dtype), numbers)


@pytest.mark.parametrize("dtype", LARGEST)
def test_only_finite_numbers_are_stored_and_only_where_they_belong(dtype):
    config = ModelConfig(1, 1, 1, 2, 2, 2, 4, 8)
    cache = KVCache(config, 3, 2, dtype, torch.device("cpu"))
    key = torch.tensor([[[torch.nan, 1.0, torch.inf, -2.0]] * 2]).to(dtype)
    cache.write(1, torch.tensor([3]), key, -key)
    keys, values = (part.flatten(1, 2)[0] for part in cache.layer(1))  # [slots, D] of the first head
    most = LARGEST[dtype]
    assert keys[3].tolist() == [0.0, 1.0, most, -2.0]
    assert values[3].tolist() == [0.0, -1.0, -most, 2.0]
    assert not keys[[0, 1, 2, 4, 5]].any()
    assert not cache.layer(0)[0].any()


@pytest.mark.parametrize("largest", [torch.inf, -torch.inf])
def test_another_sequence_s_saturated_block_that_fills_up_a_table_is_not_noticed(largest):
    """Queries times such keys overflow, and must still weigh nothing."""
    config, outs = ModelConfig(1, 1, 1, 1, 2, 1, 4, 8), []
    query, key, value = torch.randn((3, 1, 2, 4), generator=torch.Generator().manual_seed(2)).unbind()
    for filling in (0.0, largest):
        cache = KVCache(config, 2, 2, torch.float32, torch.device("cpu"))
        stale = torch.full((2, 1, 4), filling)
        cache.write(0, torch.tensor([0, 1]), stale, stale)
        is_hidden = torch.tensor([[[False, True, True, True]]])
        decodes = Decodes(0, 1, torch.tensor([1, 0]), is_hidden)
        attention = PagedAttention(cache, torch.tensor([2]), (decodes,), (), FiniteRows(1, torch.device("cpu")))
        outs.append(attention(0, query, key[:, :1], value[:, :1]))
    assert torch.equal(*outs)
    assert bool(outs[0].isfinite().all())
