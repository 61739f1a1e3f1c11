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
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from tandem.shared.models import ModelRepository
from training import loop
from training.dataset import load, shuffled_batches
from training.image_kind import ImageKind
from training.set_autoregressive.recipe import Phase, Recipe, SetTrainer, draw_steps
from training.set_autoregressive.rows import RowAttention, group_starts, rows_of, visible_rows
from training.set_autoregressive.tokens import NUM_DRAWN, drawn_sequences, mask_token, token_sequences
from training.tokenizer.networks import NUM_CODES
from training.transformer.train import config_of as next_token_config

TESTED_PARTS = (1, 4, 6, 12)
"""Of the number of tokens, so many steps are tested, and a single one."""


def config_of(kind: ImageKind) -> ModelConfig:
    """Return the shape of the transformer."""
    return dataclasses.replace(next_token_config(kind), vocab_size=mask_token(kind) + 1)


PHASES = (
    Phase(7_150, 1.0, 0.5),
    Phase(3_850, 1.0, 0.75),
    Phase(1_500, 0.5, 0.6),
    Phase(3_000, 0.5, 0.6),
    Phase(3_000, 0.5, 0.5, 1.5),
    Phase(4_000, 0.5, 0.9, 1.5),
)


def losses(model: Transformer, sequences: Tensor, starts: Tensor) -> Tensor:
    """Return the cross-entropy [B, 2 T] in nats at all rows of sequences [B, 1 + T], grouped by `starts` [B, T].

    MASK is the model's last token.
    """
    ids, positions = rows_of(sequences, model.embedding.num_embeddings - 1)
    hidden = model(ids.flatten(), positions.flatten(), RowAttention(visible_rows(starts)))
    logits = model.logits(hidden)[:, :NUM_CODES]
    targets = sequences[:, 1:].repeat(1, 2)
    return functional.cross_entropy(logits, targets.flatten(), reduction="none").view(ids.shape)


class Trainer(SetTrainer[Recipe]):
    """Trains the model of groups of tokens."""

    def __init__(self, recipe: Recipe, kind: ImageKind, *, real: Tensor, drawn: Tensor, validation: Tensor) -> None:
        super().__init__(recipe, kind, config_of(kind), losses)
        self._real, self._drawn = real, drawn
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
            yield sequences, draw_steps(len(sequences), sequences.shape[1] - 1, source)

    def step(self, *batch: Tensor) -> dict[str, float]:
        sequences, steps = batch
        with loop.mixed_precision():
            content, masked = self.losses(self.model, sequences, self._starts[steps]).mean(dim=0).chunk(2)
        self.descend(masked.mean() + self.recipe.phase_of(self.step_index).content_weight * content.mean())
        return {"bits_per_token": masked.mean().item() / math.log(2), "content": content.mean().item() / math.log(2)}

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.write_weights(self.model, folder, "model")
        num_tokens = self._starts.shape[1]
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
    recipe = Recipe(PHASES, seed=options.seed).with_effort(options.effort)
    data = load(options.data)
    tokenizer = ModelRepository(options.models_dir).get(options.tokenizer)
    real, validation = token_sequences(tokenizer, data.train), token_sequences(tokenizer, data.validation)[:1000]
    drawn = drawn_sequences(tokenizer, options.out, loop.share_of(NUM_DRAWN, options.effort / data.kind.num_classes))
    loop.train(Trainer(recipe, data.kind, real=real, drawn=drawn, validation=validation), options)


if __name__ == "__main__":
    main()
