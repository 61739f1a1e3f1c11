"""Whatever shape the validator lets through the kernel computes as torch does: no head and no dimension is left out."""

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from services.ar.compute.native.forward import open_native
from services.ar.compute.native.parameters import Sizes
from services.ar.compute.torch.kv_cache import LayeredAttention
from services.ar.compute.torch.loading import load_transformer
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout
from services.ar.model.config import ModelConfig
from services.ar.model.huggingface.config import config_from_huggingface
from services.ar.model.tensor_check import expected_shapes
from services.ar.model.weights import open_checkpoint
from tests.causal_attention import CausalAttention

NUM_CASES, NUM_TOKENS = 24, 20
ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")


def random_config(case: int) -> dict[str, object]:
    """Return a config.json of odd sizes: primes, ones, and all that is no multiple of a vector's 16 lanes."""
    chosen = random.Random(case)
    num_kv_heads = chosen.choice((1, 2, 3, 5))
    return {
        "architectures": [ARCHITECTURES[case % len(ARCHITECTURES)]],
        "vocab_size": chosen.choice((1, 2, 31, 33, 100)),
        "hidden_size": chosen.choice((1, 7, 16, 33, 60, 97)),
        "intermediate_size": chosen.choice((1, 15, 17, 64, 101)),
        "num_hidden_layers": chosen.choice((1, 2)),
        "num_attention_heads": num_kv_heads * chosen.choice((1, 2, 3, 7)),
        "num_key_value_heads": num_kv_heads,
        "head_dim": chosen.choice((2, 6, 14, 16, 18, 50, 130)),
        "max_position_embeddings": 64,
        "sliding_window": chosen.choice((None, 1, 7)),
        "attention_bias": chosen.choice((True, False)),
        "tie_word_embeddings": chosen.choice((True, False)),
    }


def write_model(folder: Path, raw: dict[str, object], config: ModelConfig) -> None:
    """Write a config.json, and weights of the shapes that `config` has."""
    generator = torch.Generator().manual_seed(1)
    shapes = expected_shapes(config)
    tensors = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(raw))


@pytest.mark.parametrize("case", range(NUM_CASES))
@torch.inference_mode()
def test_the_kernel_agrees_with_torch(tmp_path: Path, case: int) -> None:
    raw = random_config(case)
    write_model(tmp_path, raw, config_from_huggingface(tmp_path / "config.json", raw))
    checkpoint = open_checkpoint(tmp_path)
    token_ids = [7 * index % checkpoint.config.vocab_size for index in range(NUM_TOKENS)]
    model = load_transformer(checkpoint, torch.float32, torch.device("cpu"))
    model.prepare(NUM_TOKENS)
    attention = LayeredAttention(checkpoint.config, CausalAttention)
    expected = model.logits(model(torch.tensor(token_ids), torch.arange(NUM_TOKENS), attention))

    forward = open_native(checkpoint, Sizes("float32", 4, 16, NUM_TOKENS, NUM_TOKENS))
    forward.start()
    scheduler = Scheduler(BlockPool(4, 16), 1, NUM_TOKENS)
    scheduler.add(Sequence([*token_ids, 0], SamplingParams(logprobs=True), is_scored=True))
    logits = torch.from_numpy(forward(Layout(scheduler.schedule(), 16)).logits)
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4, msg=lambda text: f"{raw}: {text}")
