"""Blocks taken apart, against the `gguf` package's own dequantisation of random bytes."""

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from services.ar.model.gguf.blocks import KINDS, quantised

# Where the half-precision numbers of a block are: any bits may be in all other places.
HALVES = {Type.Q4_1: (0, 2), Type.Q5_1: (0, 2), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}


def random_blocks(type_: Type) -> np.ndarray:
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 256, (5, 3, gguf.GGML_QUANT_SIZES[type_][1]), dtype=np.uint8)
    for start in HALVES.get(type_, (0,)):
        blocks[..., start : start + 2] = rng.normal(size=(5, 3, 1)).astype(np.float16).view(np.uint8)
    return blocks


@pytest.mark.parametrize("type_", KINDS, ids=lambda type_: type_.name)
def test_weights_are_those_of_gguf(type_):
    blocks = random_blocks(type_)
    found, expected = quantised(blocks, type_), gguf.dequantize(blocks.reshape(5, -1), type_)
    assert found.kind == KINDS[type_]
    # Scales of the K types are products, which float16 holds to one part in 2,048.
    error = np.abs(found.dequantise() - expected).max()
    assert error <= np.abs(expected).max() / 2_048 * type_.name.endswith("_K")
