"""The sequential model: a small Llama that draws a digit pixel after pixel. A pixel's grey level is its token."""

import json
import math
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from examples.digits.data import NUM_CLASSES, NUM_LEVELS, SIDE, Digits
from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from training.onnx_files import check_against_torch, write_onnx
from training.transformer.export import huggingface_config, huggingface_tensors
from training.transformer.train import EqualLengths

NUM_TOKENS = SIDE * SIDE
FIRST_CLASS_TOKEN = NUM_LEVELS
BATCH_SIZE = 32
LEARNING_RATE = 4e-3
CONFIG = ModelConfig(
    vocab_size=NUM_LEVELS + NUM_CLASSES,
    hidden_size=64,
    intermediate_size=176,
    num_layers=3,
    num_heads=4,
    num_kv_heads=4,
    head_dim=16,
    max_context_tokens=1 + NUM_TOKENS,
    ties_embeddings=True,
)


class TokenDecoder(nn.Module):
    """Tokens [B, 64] to an image [B, 1, 8, 8] in -1..1: nothing is learnt here."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.float().view(-1, 1, SIDE, SIDE) / 8 - 1


class TokenEncoder(nn.Module):
    """Image [B, 1, 8, 8] in -1..1 to tokens [B, 64]."""

    def forward(self, image: Tensor) -> Tensor:
        return ((image + 1) * 8).round().clamp(0, NUM_LEVELS - 1).long().flatten(1)


def sequences(digits: Digits) -> Tensor:
    """Return [N, 65]: the token of the class, then the pixels, row by row."""
    return torch.cat([FIRST_CLASS_TOKEN + digits.labels.unsqueeze(1), digits.levels.flatten(1)], dim=1)


def bits_per_token(model: Transformer, tokens: Tensor) -> Tensor:
    """Return the mean of -log2 p over the pixels of sequences [B, 65], given their classes."""
    given, wanted = tokens[:, :-1], tokens[:, 1:]
    positions = torch.arange(NUM_TOKENS).repeat(len(tokens))
    hidden = model(given.flatten(), positions, EqualLengths(NUM_TOKENS))
    logits = model.logits(hidden)[:, :NUM_LEVELS]  # a pixel is never a class
    return functional.cross_entropy(logits, wanted.flatten()) / math.log(2)


def train(digits: Digits, steps: int, seed: int) -> Transformer:
    """Return a transformer that has learnt to predict each pixel from the class and the pixels before it."""
    torch.manual_seed(seed)
    model = Transformer(CONFIG)
    for matrix in (each for each in model.parameters() if each.ndim == 2):
        nn.init.normal_(matrix, std=0.05)
    model.prepare(CONFIG.max_context_tokens)
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    tokens = sequences(digits)
    for _ in track(range(steps), "the transformer"):
        loss = bits_per_token(model, tokens[torch.randint(len(tokens), (BATCH_SIZE,))])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return model.eval().requires_grad_(False)


def export(model: Transformer, folder: Path) -> list[Path]:
    """Write the transformer as a Hugging Face directory and both token networks as ONNX; return the weight files."""
    weights, decoder, encoder = (
        folder / name for name in ("model.safetensors", "token_decoder.onnx", "token_encoder.onnx")
    )
    save_file(huggingface_tensors(model.state_dict(), CONFIG), weights, {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(huggingface_config(CONFIG), indent=2) + "\n")
    tokens = torch.randint(NUM_LEVELS, (10, NUM_TOKENS))
    image = TokenDecoder()(tokens)
    write_onnx(TokenDecoder(), (tokens,), ("tokens",), ("image",), decoder)
    write_onnx(TokenEncoder(), (image,), ("image",), ("tokens",), encoder)
    check_against_torch(TokenDecoder(), [(tokens,)], decoder)
    check_against_torch(TokenEncoder(), [(image,)], encoder)
    return [weights, decoder, encoder]
