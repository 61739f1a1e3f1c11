"""Train the set-autoregressive image model in resumable slices:

    python -m training.set_autoregressive.train --tokenizer fashion-ar --out runs/fashion-sar

The model is the serving code's own Transformer in fashion-ar's configuration with one more token, MASK, and learns from
fashion-ar's tokens. Each image of a batch is cut into the groups of a number of steps of its own, drawn log-uniformly;
the loss is the cross-entropy at the MASK rows, and half of that at the content rows (see `rows`). The log holds bits a
token of training images, and at each snapshot of held-out images for several numbers of steps.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from runtime.models import ModelRepository
from services.ar.compute.torch.transformer import Transformer
from training import loop
from training.dataset import shuffled_batches
from training.set_autoregressive.rows import RowAttention, group_starts, rows_of, visible_rows
from training.set_autoregressive.tokens import MASK_TOKEN, NUM_TOKENS, VOCAB_SIZE, token_sequences
from training.tokenizer.networks import NUM_CODES
from training.transformer.train import CONFIG as NEXT_TOKEN_CONFIG
from training.transformer.train import initialise

CONFIG = dataclasses.replace(NEXT_TOKEN_CONFIG, vocab_size=VOCAB_SIZE)
TESTED_STEPS = (49, 12, 8, 4, 1)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 10_000
    batch_size: int = 64
    learning_rate: float = 3e-3
    decay_share: float = 0.3
    weight_decay: float = 0.05
    content_weight: float = 0.5
    seed: int = 0


def losses(model: Transformer, sequences: Tensor, starts: Tensor) -> Tensor:
    """Return the cross-entropy [B, 2 T] in nats at all rows of sequences [B, 1 + T], grouped by `starts` [B, T]."""
    ids, positions = rows_of(sequences, MASK_TOKEN)
    hidden = model(ids.flatten(), positions.flatten(), RowAttention(visible_rows(starts)))
    logits = model.logits(hidden)[:, :NUM_CODES]
    targets = sequences[:, 1:].repeat(1, 2)
    return functional.cross_entropy(logits, targets.flatten(), reduction="none").view(ids.shape)


def draw_steps(count: int, source: torch.Generator) -> Tensor:
    """Return numbers of steps [count], 1 to NUM_TOKENS, uniform in their logarithm."""
    return (NUM_TOKENS + 1.0) ** torch.rand(count, generator=source) // 1


class Trainer:
    """Implements `loop.Trainer`. Compiled, a step takes a third of the time; that needs a C++ compiler."""

    def __init__(self, recipe: Recipe, validation: Tensor, compiles: bool = True) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step_index = 0
        self.model = Transformer(CONFIG).to(loop.device())
        self.model.apply(initialise)
        self.model.prepare(CONFIG.max_context_tokens)
        matrices = [p for p in self.model.parameters() if p.ndim == 2]
        vectors = [p for p in self.model.parameters() if p.ndim != 2]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.95))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self._losses = torch.compile(losses) if compiles else losses
        self._starts = group_starts(NUM_TOKENS).to(loop.device())
        self._validation = validation.to(loop.device())

    def _rate(self, step: int) -> float:
        """Rise over 200 steps, stay, and fall to 0 at the end, as 1 - sqrt (Haegele et al. 2024, arXiv 2405.18392)."""
        left = (self.recipe.steps - step) / (self.recipe.decay_share * self.recipe.steps)
        return min(1.0, (step + 1) / 200, 1 - math.sqrt(max(0.0, 1 - left)))

    def step(self, *batch: Tensor) -> dict[str, float]:
        sequences, steps = batch
        with loop.mixed_precision():
            content, masked = self._losses(self.model, sequences, self._starts[steps]).mean(dim=0).chunk(2)
        self.optimiser.zero_grad(set_to_none=True)
        (masked.mean() + self.recipe.content_weight * content.mean()).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        return {"bits_per_token": masked.mean().item() / math.log(2), "content": content.mean().item() / math.log(2)}

    def stateful(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", "optimiser", "schedule")}

    def snapshot(self, folder: Path) -> dict[str, float]:
        state = {key: value for key, value in self.model.state_dict().items() if key != "head.weight"}
        save_file(state, folder / f"model-{self.step_index:06d}.safetensors")
        return {f"validation_bits_per_token_{k}": bits_per_token(self.model, self._validation, k) for k in TESTED_STEPS}


@torch.no_grad()
def bits_per_token(model: Transformer, sequences: Tensor, steps: int) -> float:
    """Return the mean of -log2 p over the tokens of sequences [B, 1 + T] when they are generated in `steps` steps.

    As in serving, content rows give the tokens where each has a step of its own, and MASK rows where steps are fewer.
    """
    rows = slice(NUM_TOKENS) if steps == NUM_TOKENS else slice(NUM_TOKENS, None)
    starts = group_starts(NUM_TOKENS).to(sequences.device)[steps]
    parts = [losses(model, part, starts.expand(len(part), -1))[:, rows] for part in sequences.split(250)]
    return torch.cat(parts).double().mean().item() / math.log(2)


def batches(recipe: Recipe, sequences: Tensor, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield token sequences [batch_size, 1 + NUM_TOKENS] and the number of steps of each; both depend on the step."""
    chosen = shuffled_batches(len(sequences), recipe.batch_size, recipe.seed, first_step)
    for step, indices in enumerate(chosen, first_step):
        source = torch.Generator().manual_seed(recipe.seed * 7919 + step)
        yield sequences[indices], draw_steps(len(indices), source).long()


def main() -> None:
    parser = loop.parser(__doc__, snapshot_every=500)
    parser.add_argument("--tokenizer", default="fashion-ar", help="released model whose token encoder makes the tokens")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="training steps in all")
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps, seed=options.seed)
    tokenizer = ModelRepository(options.models_dir).get(options.tokenizer)
    sequences = token_sequences(tokenizer, "train")
    loop.train(
        Trainer(recipe, token_sequences(tokenizer, "validation")[:1000]),
        lambda first_step: batches(recipe, sequences, first_step),
        options.out,
        loop.Slice(options.slice_seconds, options.snapshot_every),
    )


if __name__ == "__main__":
    main()
