"""What the kernel holds keys and values in."""

from dataclasses import replace

import pytest

from services.ar.compute.native.cache import layer_cache
from services.ar.model.weights import open_checkpoint
from tests.tiny_models import save_tiny_model


@pytest.mark.parametrize(("head_dim", "filled"), [(16, 32), (24, 32), (64, 64), (80, 96)])
def test_bytes_take_half_of_what_halves_do_and_scales(tmp_path, head_dim, filled):
    save_tiny_model(tmp_path)
    config = replace(open_checkpoint(tmp_path).config, head_dim=head_dim)
    cache = layer_cache(config, "int8", 3, 16)
    per_position = (each.nbytes // (config.num_kv_heads * 3 * 16) for each in vars(cache).values())
    assert list(per_position) == [filled, filled, filled // 32 * 2, 2]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float16", 2)])
def test_floats_have_no_scales(tmp_path, dtype, size):
    save_tiny_model(tmp_path)
    config = replace(open_checkpoint(tmp_path).config, head_dim=24)
    cache = layer_cache(config, dtype, 3, 16)
    assert cache.keys.nbytes == config.num_kv_heads * 3 * 16 * 24 * size
    assert cache.values.nbytes == config.num_kv_heads * 3 * 16 * 32 * size
    assert cache.key_scales is cache.value_scales is None
