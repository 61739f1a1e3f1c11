"""A quantised file that is written holds the same metadata and, within its type's error, the same weights."""

import gguf
import numpy as np
import pytest

from benchmarks.peers.weights import write_quantised

Q4_1 = gguf.GGMLQuantizationType.Q4_1


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(30)
    writer.add_token_list(["a", "b"])
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    matrix = np.random.default_rng(1).standard_normal((8, 64), dtype=np.float32)
    writer.add_tensor("blk.0.attn_q.weight", gguf.quantize(matrix, Q4_1), raw_dtype=Q4_1)
    writer.add_tensor("output_norm.weight", np.linspace(0.5, 1.5, 64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(("name", "parts"), [("Q8_0", 200), ("Q4_0", 10)])
def test_weights_and_metadata_are_kept(source, tmp_path, name, parts):
    kind, file_type = gguf.GGMLQuantizationType[name], gguf.LlamaFileType[f"MOSTLY_{name}"]
    write_quantised(source, tmp_path / "target.gguf", kind, file_type)
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(tmp_path / "target.gguf")
    changed = {"general.file_type": file_type}
    for key, field in before.fields.items():
        if not key.startswith("GGUF."):
            assert after.fields[key].contents() == changed.get(key, field.contents()), key
            assert after.fields[key].types == field.types
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.name, old.shape.tolist()) == (new.name, new.shape.tolist())
        values = gguf.dequantize(old.data, old.tensor_type)
        np.testing.assert_allclose(
            gguf.dequantize(new.data, new.tensor_type), values, atol=np.abs(values).max() / parts
        )
    assert [tensor.tensor_type.name for tensor in after.tensors] == [name, "F32"]
