"""Blocks taken apart, against the `gguf` package's own dequantisation of random bytes."""

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from services.ar.model.gguf.blocks import _TYPES, tensor_type
from services.ar.model.quantised import QuantisedTensor

# Where the half-precision numbers of a block are: any bits may be in all other places.
HALVES = {Type.Q4_1: (0, 2), Type.Q5_1: (0, 2), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208,)}


def random_blocks(type_: Type) -> np.ndarray:
    rng = np.random.default_rng(4)
    blocks = rng.integers(0, 256, (5, 3, gguf.GGML_QUANT_SIZES[type_][1]), dtype=np.uint8)
    for start in HALVES.get(type_, (0,)):
        blocks[..., start : start + 2] = rng.normal(size=(5, 3, 1)).astype(np.float16).view(np.uint8)
    return blocks


def test_weights_are_those_of_gguf():
    for number, ours in _TYPES.items():
        if "float" in ours.format:
            continue
        type_ = Type(number)
        rows = random_blocks(type_).reshape(5, -1)
        found, expected = ours.decode(rows), gguf.dequantize(rows, type_)
        assert isinstance(found, QuantisedTensor)
        assert (ours.name, found.kind) == (type_.name, ours.format)
        # Scales of the K types are products, which float16 holds to one part in 2,048.
        error = np.abs(found.dequantise() - expected).max()
        assert error <= np.abs(expected).max() / 2_048 * ours.name.endswith("_K"), ours.name


def test_types_are_those_of_gguf():
    for type_ in Type:
        ours = tensor_type(type_.value)
        assert ours is not None
        assert (ours.name, (ours.block_size, ours.block_bytes)) == (type_.name, gguf.GGML_QUANT_SIZES[type_])
    assert tensor_type(99) is None


def test_a_type_that_the_kernel_has_not_gets_8_bits():
    values = np.random.default_rng(1).standard_normal((3, 256), np.float32)
    rows = gguf.quantize(values, Type.Q4_0)
    rows = np.ascontiguousarray(rows)
    iq4_nl = tensor_type(Type.IQ4_NL.value)
    assert iq4_nl is not None
    found = iq4_nl.decode(rows.view(np.uint8))
    assert isinstance(found, QuantisedTensor)
    np.testing.assert_allclose(
        found.dequantise(), gguf.dequantize(rows, Type.IQ4_NL), atol=np.abs(found.dequantise()).max() / 127
    )
