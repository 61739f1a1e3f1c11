"""Train the sequential image model in resumable slices:

    python -m training.transformer.train --tokenizer runs/fashion-tokenizer --out runs/fashion-ar

The model is the serving code's own Transformer in a Llama configuration of a million parameters. It learns to predict
each of an image's tokens (49 of 28x28 pixels) from the class and the tokens before it (cross-entropy). The log holds
the loss in bits per token, on the training and, at each snapshot, on the validation images; snapshots write an image
of samples, a row a class.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from training import loop
from training.dataset import DataSet, load, shuffled_batches, to_pixels, write_sheet
from training.image_kind import ImageKind
from training.tokenizer.networks import FIRST_CLASS_TOKEN, NUM_CODES, from_tokens
from training.tokenizer.train import Autoencoder, load_tokenizer, token_sequences

USUAL_IMAGES = 55_000
"""What the recipe's steps are for: of fewer images it takes fewer, as those seen more often are learnt by heart."""


def config_of(kind: ImageKind) -> ModelConfig:
    """Return the shape of the transformer: a token for each code and class, context for a class and an image."""
    return ModelConfig(
        vocab_size=FIRST_CLASS_TOKEN + kind.num_classes,
        hidden_size=128,
        intermediate_size=352,
        num_layers=4,
        num_heads=4,
        num_kv_heads=2,
        head_dim=32,
        max_context_tokens=1 + kind.num_tokens,
        ties_embeddings=True,
    )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    seed: int = 0


class EqualLengths:
    """Causal attention within sequences of one length that lie one after another; implements `model.Attention`."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        query, key, value = (x.unflatten(0, (-1, self._length)).transpose(1, 2) for x in (query, key, value))
        out = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=True
        )  # [B, H, T, D]
        return out.transpose(1, 2).flatten(0, 1)


def logits_of(model: Transformer, tokens: Tensor) -> Tensor:
    """Return [B, T, NUM_CODES]: what the model expects after each of tokens [B, T]."""
    count, length = tokens.shape
    positions = torch.arange(length, device=tokens.device).repeat(count)
    hidden = model(tokens.flatten(), positions, EqualLengths(length))
    return model.logits(hidden)[:, :NUM_CODES].unflatten(0, (count, length))  # type: ignore[no-any-return]


def token_bits(model: Transformer, sequences: Tensor) -> Tensor:
    """Return -log2 p of each token [B, T] of sequences [B, 1 + T], given their classes."""
    logits, targets = logits_of(model, sequences[:, :-1]), sequences[:, 1:]
    nats = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return nats.view(targets.shape) / math.log(2)


class Trainer(loop.Trainer[Recipe]):
    """Trains the model of next tokens."""

    def __init__(self, recipe: Recipe, tokenizer: Autoencoder, data: DataSet) -> None:
        super().__init__(recipe, tokenizer.kind)
        config = config_of(tokenizer.kind)
        self.model = Transformer(config).to(loop.device())
        self.model.apply(initialise)
        self.model.prepare(config.max_context_tokens)
        matrices = [p for p in self.model.parameters() if p.ndim == 2]
        vectors = [p for p in self.model.parameters() if p.ndim != 2]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self._tokenizer = tokenizer
        self._sequences = token_sequences(tokenizer, data.train)
        self._validation = token_sequences(tokenizer, data.validation)[:2000].to(loop.device())

    def _rate(self, step: int) -> float:
        """Rise over the first fiftieth of the steps, then fall like a cosine to a hundredth."""
        risen = min(1.0, (step + 1) * 50 / self.recipe.steps)
        return risen * (0.505 + 0.495 * math.cos(math.pi * min(1.0, step / self.recipe.steps)))

    def batches(self, first_step: int) -> Iterator[loop.Batch]:
        """Yield token sequences [batch_size, 1 + T]."""
        for chosen in shuffled_batches(len(self._sequences), self.recipe.batch_size, self.recipe.seed, first_step):
            yield (self._sequences[chosen],)

    def step(self, *batch: Tensor) -> dict[str, float]:
        (sequences,) = batch
        with loop.mixed_precision():
            loss = token_bits(self.model, sequences).mean()
        loop.descend(loss * math.log(2), self.optimiser, self.schedule, list(self.model.parameters()))
        return {"bits_per_token": loss.item()}

    @torch.no_grad()
    def snapshot(self, folder: Path) -> dict[str, float]:
        self.write_weights(self.model, folder, "model")
        write_samples(self.model, self._tokenizer, folder / f"samples-{self.step_index:06d}.png")
        parts = [token_bits(self.model, part) for part in self._validation.split(500)]
        return {"validation_bits_per_token": torch.cat(parts).mean().item()}


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.04)


@torch.no_grad()
def draw(model: Transformer, labels: Tensor, num_tokens: int, source: torch.Generator) -> Tensor:
    """Return tokens [B, num_tokens] of images of the classes, sampled one after another without a cache."""
    tokens = (labels + FIRST_CLASS_TOKEN).unsqueeze(1)
    for _ in range(num_tokens):
        probabilities = logits_of(model, tokens)[:, -1].softmax(dim=-1)
        tokens = torch.cat([tokens, torch.multinomial(probabilities, 1, generator=source)], dim=1)
    return tokens[:, 1:]


@torch.no_grad()
def write_samples(model: Transformer, tokenizer: Autoencoder, path: Path) -> None:
    """Write a sheet: one row a class, ten images a row; the same ones for the same weights."""
    kind = tokenizer.kind
    labels = torch.arange(kind.num_classes, device=loop.device()).repeat_interleave(10)
    tokens = draw(model, labels, kind.num_tokens, torch.Generator(loop.device()).manual_seed(1))
    write_sheet(to_pixels(tokenizer.decoder(from_tokens(tokens, kind.grid))), 10, path)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.parser(__doc__, snapshot_every=1_000, tokenizer="folder of the tokenizer's training run")
    options = loop.parse(parser, argv)
    data = load(options.data)
    options.effort = min(options.effort, len(data.train[1]) / USUAL_IMAGES)
    tokenizer = load_tokenizer(loop.newest(options.tokenizer, "ema-*.safetensors"))
    loop.train(Trainer(loop.scale(Recipe, options), tokenizer, data), options)


if __name__ == "__main__":
    main()
