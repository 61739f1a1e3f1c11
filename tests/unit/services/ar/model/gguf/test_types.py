"""The types of tensors and the sizes of their blocks are those of the `gguf` package."""

import gguf

from services.ar.model.gguf.types import BLOCKS, TensorType


def test_types_are_those_of_gguf():
    theirs = {each.name: each.value for each in gguf.GGMLQuantizationType}
    assert {each.name: theirs[each.name] for each in TensorType} == {each.name: each.value for each in TensorType}
    assert {type_: gguf.GGML_QUANT_SIZES[type_] for type_ in TensorType} == BLOCKS
