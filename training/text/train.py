"""Train a text model of about five million parameters in resumable slices:

    python -m training.text.train --order spread --answers runs/draft-head --data runs/texts --out runs/text-spread

The model is the serving code's own Transformer. Each window is a prompt of 1 to 64 tokens and a continuation of 64,
which is cut into groups of K tokens, K drawn log-uniformly; the loss is the cross-entropy at the MASK rows plus half of
that at the content rows (see set_autoregressive/rows.py). Orders:

    left_to_right  content rows predict the next token, MASK rows the next K
    spread         MASK rows alone predict; content rows learn from the prompt, whose tokens stand one after another
    next_token     no MASK rows: a plain transformer, to compare with

A row's rotary position is where its token stands in the text. The log holds bits a token of training windows, and at
each snapshot of held-out ones for several K.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.torch.transformer import Transformer
from services.ar.model.config import ModelConfig
from tandem.shared.models import ModelRepository
from training import loop
from training.set_autoregressive.recipe import Phase, Recipe, SetTrainer, draw_steps
from training.set_autoregressive.rows import RowAttention, visible_rows
from training.text import texts as text_windows
from training.text.texts import LEFT_TO_RIGHT, MASK, PROMPT, SPREAD, VOCAB_SIZE, WINDOW, Texts, Windows, draw_order

ORDERS = ("left_to_right", "spread", "next_token")
CONFIG = ModelConfig(
    vocab_size=VOCAB_SIZE,
    hidden_size=256,
    intermediate_size=768,
    num_layers=6,
    num_heads=4,
    num_kv_heads=2,
    head_dim=64,
    max_context_tokens=PROMPT + WINDOW,
    ties_embeddings=True,
)
TESTED = (1, 2, 8)
TESTED_WINDOWS = 100


@dataclass(frozen=True)
class TextRecipe(Recipe):
    """Everything that decides the outcome."""

    phases: tuple[Phase, ...] = (Phase(3_500, 1.0), Phase(1_500, 1.0))
    batch_size: int = 16
    matrix_learning_rate: float = 5e-3
    learning_rate: float = 3e-3
    order: str = "left_to_right"
    content_weight: float = 0.5


def losses(
    model: Transformer, tokens: Tensor, first: Tensor, places: Tensor, starts: Tensor, has_masks: bool
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy in nats at the content rows [B, PROMPT + WINDOW - 1] and the MASK rows [B, WINDOW].

    Without masks the MASK rows are none: [B, 0]. For the arguments see `Windows`.
    """
    place = torch.arange(PROMPT, device=tokens.device)
    positions = torch.cat([(place - first[:, None]).clamp(min=0), PROMPT - first[:, None] + places], dim=1)
    ids, positions_of_rows = tokens[:, :-1], positions[:, :-1]
    visible = visible_rows(starts, PROMPT, first)
    if has_masks:
        ids = torch.cat([ids, torch.full_like(places, MASK)], dim=1)
        positions_of_rows = torch.cat([positions_of_rows, positions[:, PROMPT:]], dim=1)
        targets = torch.cat([tokens[:, 1:], tokens[:, PROMPT:]], dim=1)
    else:
        visible, targets = visible[:, :, : ids.shape[1], : ids.shape[1]], tokens[:, 1:]
    hidden = model(ids.flatten(), positions_of_rows.flatten(), RowAttention(visible))
    logits = model.logits(hidden)[:, :MASK]
    nats = functional.cross_entropy(logits, targets.flatten(), reduction="none").view(ids.shape)
    content = PROMPT + WINDOW - 1
    return nats[:, :content], nats[:, content:]


class Trainer(SetTrainer[TextRecipe]):
    """Trains a text model."""

    def __init__(self, recipe: TextRecipe, texts: Texts) -> None:
        super().__init__(recipe, None, CONFIG, losses)
        self._texts = texts

    def batches(self, first_step: int) -> Iterator[loop.Batch]:
        """Yield the parts of `Windows`, which depend on the step; of half of the prompts the length is any."""
        count, texts = self.recipe.batch_size, self._texts.train
        for step in range(first_step, self.recipe.steps):
            source = torch.Generator().manual_seed(self.recipe.seed * 7919 + step)
            ends = torch.randint(PROMPT, len(texts) - WINDOW + 1, (count,), generator=source)
            first = torch.randint(PROMPT, (count,), generator=source)
            first = torch.where(torch.arange(count) < count // 2, 0, first)
            sizes = draw_steps(count, WINDOW, source)
            orders = [LEFT_TO_RIGHT] * count
            if self.recipe.order == "spread":
                numbers = np.random.default_rng((self.recipe.seed, step))
                orders = [draw_order(numbers) for _ in range(count)]
            batch = text_windows.windows(texts, ends, first, sizes, orders)
            yield batch.tokens, batch.first, batch.places, batch.starts, batch.is_wanted

    def step(self, *batch: Tensor) -> dict[str, float]:
        tokens, first, places, starts, is_wanted = batch
        has_masks, is_spread = self.recipe.order != "next_token", self.recipe.order == "spread"
        with loop.mixed_precision():
            content, masked = self.losses(self.model, tokens, first, places, starts, has_masks)
        row = torch.arange(content.shape[1], device=content.device)
        # Of the spread order a content row does not know which place comes next.
        is_next = (row >= first[:, None]) & (row < (PROMPT - 1 if is_spread else len(row)))
        of_content = content[is_next].mean()
        if not has_masks:
            self.descend(of_content)
            return {"content": of_content.item() / math.log(2)}
        of_masks = masked[is_wanted].mean()
        self.descend(of_masks + self.recipe.content_weight * of_content)
        return {"bits_per_token": of_masks.item() / math.log(2), "content": of_content.item() / math.log(2)}

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.write_weights(self.model, folder, "model")
        tested = held_out_windows(self._texts.held_out, TESTED_WINDOWS)
        counts = {"next_token": (1,)}.get(self.recipe.order, TESTED)
        found = {k: token_bits(self.model, self._texts.held_out, tested, self.recipe.order, k) for k in counts}
        return {f"validation_bits_per_token_{k}": bits.mean().item() for k, bits in found.items()}


def held_out_windows(texts: Tensor, count: int) -> Tensor:
    """Return where the continuations of at most `count` held-out windows begin."""
    return torch.tensor(list(islice(text_windows.whole_windows(texts, count), count)))


@torch.no_grad()
def token_bits(model: Transformer, texts: Tensor, ends: Tensor, order: str, tokens_per_step: int) -> Tensor:
    """Return -log2 p [B, WINDOW] float64 of continuations, in the order of the model, `tokens_per_step` at a time.

    As in serving, content rows give single tokens from left to right, and MASK rows all others.
    """
    is_content = order != "spread" and tokens_per_step == 1
    parts = []
    for some in ends.split(25):
        orders = [SPREAD if order == "spread" else LEFT_TO_RIGHT] * len(some)
        first, sizes = torch.zeros_like(some), torch.full_like(some, tokens_per_step)
        batch: Windows = text_windows.windows(texts, some, first, sizes, orders)
        columns = [column.to(loop.device()) for column in (batch.tokens, batch.first, batch.places, batch.starts)]
        content, masked = losses(model, columns[0], columns[1], columns[2], columns[3], not is_content)
        parts.append(content[:, PROMPT - 1 :] if is_content else masked)
    return torch.cat(parts).double().cpu() / math.log(2)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, data="folder of the texts, made of the answers if it has none", out="of the run")
    loop.add_options(parser, snapshot_every=1_000)
    parser.add_argument("--order", choices=ORDERS, default="left_to_right")
    parser.add_argument("--answers", type=Path, help="folder of answers that training.draft_head has drawn")
    parser.add_argument("--model", type=Path, default=Path("models/smollm2-135m-instruct"), help="who gave the answers")
    options = loop.parse(parser, argv)
    answers = None
    if options.answers is not None and not (options.data / "tokens.npz").exists():
        model = ModelRepository(options.model.parent).get(options.model.name)
        answers = text_windows.answer_texts(model, options.answers)
    recipe = TextRecipe(seed=options.seed, order=options.order).with_effort(options.effort)
    loop.train(Trainer(recipe, text_windows.open_texts(options.data, answers)), options)


if __name__ == "__main__":
    main()
