"""Train the set-autoregressive image model in resumable slices:

    python -m training.set_autoregressive.train --tokenizer fashion-ar --out runs/fashion-sar

The model is the serving code's own Transformer in the configuration of the released model whose tokens it learns, with
one more token, MASK. It learns from those of real images, and from those of images that the other model has drawn,
without which it learns the real ones by heart. Each image of a batch is cut into the groups of a number of steps of its
own, drawn log-uniformly; the loss is the cross-entropy at the MASK rows plus that at the content rows (see `rows`). The
log holds bits a token of training images, and at each snapshot of held-out images for several numbers of steps.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from tandem.shared.models import ModelRepository
from training import loop
from training.dataset import load, shuffled_batches
from training.image_kind import ImageKind
from training.set_autoregressive.rows import RowAttention, group_starts, rows_of, visible_rows
from training.set_autoregressive.tokens import NUM_DRAWN, drawn_sequences, mask_token, token_sequences
from training.tokenizer.networks import NUM_CODES
from training.transformer.train import config_of as next_token_config
from training.transformer.train import initialise

WORTH_COMPILING = 500
"""Steps: compiling takes a minute."""
TESTED_PARTS = (1, 4, 6, 12)
"""Of the number of tokens, so many steps are tested, and a single one."""


def config_of(kind: ImageKind) -> ModelConfig:
    """Return the shape of the transformer."""
    return dataclasses.replace(next_token_config(kind), vocab_size=mask_token(kind) + 1)


@dataclass(frozen=True)
class Phase:
    """Some steps of a training."""

    steps: int
    rate: float
    """What the learning rates are multiplied by."""
    real_share: float
    """What share of a batch are real images; the others are drawn ones."""
    content_weight: float = 1.0
    """How much the loss at the content rows weighs, beside that at the MASK rows."""


PHASES = (
    Phase(7_150, 1.0, 0.5),
    Phase(3_850, 1.0, 0.75),
    Phase(1_500, 0.5, 0.6),
    Phase(3_000, 0.5, 0.6),
    Phase(3_000, 0.5, 0.5, 1.5),
    Phase(4_000, 0.5, 0.9, 1.5),
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    phases: tuple[Phase, ...] = PHASES
    """In every second one the learning rates fall to 0."""
    batch_size: int = 64
    matrix_learning_rate: float = 6e-3
    """Of Muon (Jordan et al. 2024) for the matrices of the layers, whose steps are scaled to the size of AdamW's."""
    learning_rate: float = 3e-3
    """Of AdamW for the embedding and the vectors."""
    weight_decay: float = 0.05
    seed: int = 0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def with_effort(self, effort: float) -> "Recipe":
        """Return the recipe with a share of the steps of each phase."""
        phases = (dataclasses.replace(phase, steps=loop.share_of(phase.steps, effort)) for phase in self.phases)
        return dataclasses.replace(self, phases=tuple(phases))

    def phase_of(self, step: int) -> Phase:
        """Return the phase of a step, the last one behind the end."""
        return self.phases[self._place_of(step)[0]]

    def _place_of(self, step: int) -> tuple[int, int]:
        """Return the number of a step's phase, and how many steps of it were before."""
        number = 0
        while number + 1 < len(self.phases) and step >= self.phases[number].steps:
            step -= self.phases[number].steps
            number += 1
        return number, step

    def rate(self, step: int) -> float:
        """Return what learning rates are multiplied by: they rise over at most 200 steps, stay, and fall in the next
        phase as 1 - sqrt (Haegele et al. 2024, arXiv 2405.18392).
        """
        number, before = self._place_of(step)
        phase = self.phases[number]
        done = before / phase.steps
        return phase.rate * (1 - math.sqrt(min(1.0, done)) if number % 2 else min(1.0, (before + 1) / 200))


def losses(model: Transformer, sequences: Tensor, starts: Tensor) -> Tensor:
    """Return the cross-entropy [B, 2 T] in nats at all rows of sequences [B, 1 + T], grouped by `starts` [B, T].

    MASK is the model's last token.
    """
    ids, positions = rows_of(sequences, model.embedding.num_embeddings - 1)
    hidden = model(ids.flatten(), positions.flatten(), RowAttention(visible_rows(starts)))
    logits = model.logits(hidden)[:, :NUM_CODES]
    targets = sequences[:, 1:].repeat(1, 2)
    return functional.cross_entropy(logits, targets.flatten(), reduction="none").view(ids.shape)


def draw_steps(count: int, num_tokens: int, source: torch.Generator) -> Tensor:
    """Return numbers of steps [count], 1 to `num_tokens`, uniform in their logarithm."""
    return (num_tokens + 1.0) ** torch.rand(count, generator=source) // 1


class Trainer(loop.Trainer[Recipe]):
    """Trains the model of groups of tokens. Compiled, a step takes a third of the time; that needs a C++ compiler."""

    KEPT = ("model", "muon", "adamw", "muon_schedule", "adamw_schedule")

    def __init__(self, recipe: Recipe, kind: ImageKind, *, real: Tensor, drawn: Tensor, validation: Tensor) -> None:
        super().__init__(recipe, kind)
        self._real, self._drawn = real, drawn
        config = config_of(kind)
        self.model = Transformer(config).to(loop.device())
        self.model.apply(initialise)
        self.model.prepare(config.max_context_tokens)
        matrices = [p for p in self.model.layers.parameters() if p.ndim == 2]
        vectors = [p for p in self.model.parameters() if p.ndim != 2]
        others = [
            {"params": [self.model.embedding.weight], "weight_decay": recipe.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.muon = torch.optim.Muon(
            matrices, recipe.matrix_learning_rate, recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        self.adamw = torch.optim.AdamW(others, lr=recipe.learning_rate, betas=(0.9, 0.95))
        self.muon_schedule, self.adamw_schedule = (
            torch.optim.lr_scheduler.LambdaLR(optimiser, recipe.rate) for optimiser in (self.muon, self.adamw)
        )
        self._losses = torch.compile(losses) if recipe.steps >= WORTH_COMPILING else losses
        self._starts = group_starts(kind.num_tokens).to(loop.device())
        self._validation = validation.to(loop.device())

    def batches(self, first_step: int) -> Iterator[loop.Batch]:
        """Yield token sequences [batch_size, 1 + T] and the number of steps of each; both depend on the step.

        A batch begins with sequences of real images, as many as its phase says, and ends with drawn ones.
        """
        size, seed = self.recipe.batch_size, self.recipe.seed
        chosen = [shuffled_batches(len(rows), size, seed, first_step) for rows in (self._real, self._drawn)]
        for step, (own, others) in enumerate(zip(*chosen, strict=True), first_step):
            num_real = round(size * self.recipe.phase_of(step).real_share)
            source = torch.Generator().manual_seed(seed * 7919 + step)
            sequences = torch.cat([self._real[own[:num_real]], self._drawn[others[num_real:]]])
            yield sequences, draw_steps(len(sequences), sequences.shape[1] - 1, source).long()

    def step(self, *batch: Tensor) -> dict[str, float]:
        sequences, steps = batch
        with loop.mixed_precision():
            content, masked = self._losses(self.model, sequences, self._starts[steps]).mean(dim=0).chunk(2)
        self.model.zero_grad(set_to_none=True)
        (masked.mean() + self.recipe.phase_of(self.step_index).content_weight * content.mean()).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for part in (self.muon, self.adamw, self.muon_schedule, self.adamw_schedule):
            part.step()
        return {"bits_per_token": masked.mean().item() / math.log(2), "content": content.mean().item() / math.log(2)}

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.write_weights(self.model, folder, "model")
        num_tokens = self.kind.num_tokens
        tested = dict.fromkeys((*(num_tokens // part for part in TESTED_PARTS if part <= num_tokens), 1))
        return {f"validation_bits_per_token_{k}": bits_per_token(self.model, self._validation, k) for k in tested}


@torch.no_grad()
def bits_per_token(model: Transformer, sequences: Tensor, steps: int) -> float:
    """Return the mean of -log2 p over the tokens of sequences [B, 1 + T] when they are generated in `steps` steps.

    As in serving, content rows give the tokens where each has a step of its own, and MASK rows where steps are fewer.
    """
    num_tokens = sequences.shape[1] - 1
    rows = slice(num_tokens) if steps == num_tokens else slice(num_tokens, None)
    starts = group_starts(num_tokens).to(sequences.device)[steps]
    parts = [losses(model, part, starts.expand(len(part), -1))[:, rows] for part in sequences.split(250)]
    return torch.cat(parts).double().mean().item() / math.log(2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.parser(__doc__, snapshot_every=500)
    parser.add_argument("--tokenizer", default="fashion-ar", help="released model that makes tokens, and draws images")
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    options = loop.parse(parser, argv)
    recipe = Recipe(seed=options.seed).with_effort(options.effort)
    data = load(options.data)
    tokenizer = ModelRepository(options.models_dir).get(options.tokenizer)
    real, validation = token_sequences(tokenizer, data.train), token_sequences(tokenizer, data.validation)[:1000]
    drawn = drawn_sequences(tokenizer, options.out, loop.share_of(NUM_DRAWN, options.effort / data.kind.num_classes))
    loop.train(Trainer(recipe, data.kind, real=real, drawn=drawn, validation=validation), options)


if __name__ == "__main__":
    main()
