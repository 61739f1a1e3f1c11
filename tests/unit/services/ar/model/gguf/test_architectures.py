"""Each architecture through a GGUF file, against transformers' own model of the same weights."""

from dataclasses import replace

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType as Type

from services.ar.compute.torch.kv_cache import LayeredAttention
from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelError
from tests.causal_attention import CausalAttention
from tests.tiny_gguf import write_gguf
from tests.tiny_models import FAMILIES, VOCAB_SIZE, save_tiny_model
from tests.unit.services.ar.compute.native.formats import native
from tests.unit.services.ar.compute.native.test_forward import logits_of

ARCHITECTURES = {family: family for family in ("qwen2", "qwen3", "phi3", "gemma3")}


def architecture(family: str) -> str:
    return ARCHITECTURES.get(family, "llama")


def random_ids(length: int) -> list[int]:
    return torch.randint(VOCAB_SIZE, (length,), generator=torch.Generator().manual_seed(1)).tolist()


@torch.inference_mode()
def logits(checkpoint, ids, num_positions):
    model = load_transformer(checkpoint, torch.float32, torch.device("cpu"))
    model.prepare(num_positions)
    attention = LayeredAttention(model.config, CausalAttention)
    return model.logits(model(torch.tensor(ids), torch.arange(len(ids)), attention))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(tmp_path, family):
    reference = save_tiny_model(tmp_path, family)
    path = write_gguf(open_checkpoint(tmp_path), tmp_path / "model.gguf", architecture=architecture(family))
    ids = random_ids(100)
    with torch.inference_mode():
        expected = reference(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits(open_checkpoint(path), ids, 100), expected, atol=1e-4, rtol=0)


def test_long_rope_is_refused_in_words(tmp_path):
    save_tiny_model(tmp_path, "phi3")
    path = write_gguf(open_checkpoint(tmp_path), tmp_path / "model.gguf", architecture="phi3", long_rope=True)
    with pytest.raises(ModelError, match=r"rope_factors_short.weight, of LongRoPE, is there; accepted: 'none', 'lin"):
        open_checkpoint(path)


@torch.inference_mode()
def test_a_file_of_many_types_is_computed_as_it_is_stored(tmp_path):
    """As in small files that are called Q4_K_M: nearly all of Q5_0 and Q8_0, with a value in another type than keys."""
    save_tiny_model(tmp_path, "qwen2")
    types = {"embed": Type.Q8_0, "q_proj": Type.Q5_0, "k_proj": Type.Q5_1, "v_proj": Type.Q8_0, "down": Type.Q4_1}
    types |= {"gate": Type.Q4_0, "up": Type.Q4_0, "o_proj": Type.F16, "lm_head": Type.BF16}
    path = write_gguf(open_checkpoint(tmp_path), tmp_path / "model.gguf", types, architecture="qwen2")
    checkpoint, ids = open_checkpoint(path), random_ids(40)
    found, expected = logits_of(native(checkpoint), ids), logits(checkpoint, ids, 256)
    assert checkpoint.dtype == "int4"
    assert (found - expected).abs().mean() < 0.02 * expected.std()  # activations are rounded to 8 bits


def test_a_fused_matrix_of_other_sizes_is_refused(tmp_path):
    save_tiny_model(tmp_path, "phi3")
    checkpoint = open_checkpoint(tmp_path)
    path = write_gguf(checkpoint, tmp_path / "model.gguf", architecture="phi3")
    fewer = replace(checkpoint.config, num_kv_heads=1)
    path = write_gguf(replace(checkpoint, config=fewer), path, architecture="phi3")
    with pytest.raises(ModelError, match=r"qkv_proj.weight: 128 rows, the config says 96"):
        open_checkpoint(path)


def test_an_architecture_that_would_fit_is_named(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "gemma2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=r"'gemma2' is not supported; a file of one of these would fit: llama, qwen2"):
        open_checkpoint(tmp_path / "other.gguf")
