"""Sequences that a released model draws, as the training takes them."""

from pathlib import Path

import torch

from services.ar.compute.torch.loading import load_transformer
from services.ar.model.weights import open_checkpoint
from tandem.shared.models import ModelRepository
from training.set_autoregressive.tokens import FIRST_CLASS_TOKEN, drawn_sequences
from training.set_autoregressive.train import bits_per_token

NUM_TOKENS = 49
REPOSITORY = ModelRepository(Path(__file__).parents[4] / "models")


def test_drawn_sequences_are_images_in_this_model_s_order_and_drawn_once(tmp_path):
    sequences = drawn_sequences(REPOSITORY.get("fashion-ar"), tmp_path, 3)
    assert sequences.shape == (30, 1 + NUM_TOKENS)
    assert (sequences[:, 0] - FIRST_CLASS_TOKEN).tolist() == [label for label in range(10) for _ in range(3)]
    checkpoint = open_checkpoint(REPOSITORY.get("fashion-sar").transformer_path())
    transformer = load_transformer(checkpoint, torch.float32, torch.device("cpu"))
    transformer.prepare(1 + NUM_TOKENS)
    in_another_order = torch.cat([sequences[:, :1], sequences[:, 1:].flip(1)], dim=1)
    assert bits_per_token(transformer, sequences, 49) < 3 < bits_per_token(transformer, in_another_order, 49)
    assert torch.equal(drawn_sequences(REPOSITORY.get("fashion-ar"), tmp_path, 1), sequences)
