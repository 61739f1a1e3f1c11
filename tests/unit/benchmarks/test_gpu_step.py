"""What a step reads, worked out by hand; that its timing runs, on a CPU; and a clear word where there is no GPU."""

import sys

import pytest
import torch

from benchmarks import gpu_step
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig


def new_model(ties_embeddings: bool) -> Transformer:
    config = ModelConfig(100, 8, 16, 2, 2, 1, 4, 64, ties_embeddings=ties_embeddings)
    model = Transformer(config).to(torch.bfloat16).requires_grad_(False)
    model.prepare(64)
    return model


@pytest.mark.parametrize("ties_embeddings", [True, False])
def test_a_step_reads_each_weight_once_and_all_keys_and_values(ties_embeddings):
    layer = 8 * 8 + 2 * (8 * 4) + 8 * 8 + 8 * 32 + 16 * 8 + 2 * 8  # q, k and v, out, gate and up, down, norms
    weights = 2 * layer + 8 + 100 * 8  # and the last norm and the head
    cache = 3 * 50 * 2 * 2 * 4  # sequences, tokens, layers, key and value, head_dim
    assert gpu_step.bytes_read(new_model(ties_embeddings), 3, 50) == 2 * (weights + cache)


def test_works_are_decodes_of_so_many_tokens():
    works = gpu_step.decoding(3, 50)
    assert [(len(work.sequence.token_ids), work.completes) for work in works] == [(50, True)] * 3
    model = new_model(True)
    blocks = [block for work in works for block in work.sequence.block_table]
    assert len(set(blocks)) == len(blocks) == 12
    cache = KVCache(model.config, 12, gpu_step.BLOCK_SIZE, torch.bfloat16, torch.device("cpu"))
    layout = gpu_step.Layout(works, gpu_step.BLOCK_SIZE)
    computed = TorchForward(model, cache, 1)(layout)
    assert computed.logits.shape == (3, 100)
    assert list(computed.is_finite) == [True] * 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_step.py"])
    gpu_step.main()
    assert "torch finds no CUDA device" in capsys.readouterr().err
