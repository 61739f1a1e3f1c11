"""Train the draft head of a text model in resumable slices:

    python -m training.draft_head.train --model models/smollm2-135m-instruct --out runs/draft-head

The head predicts tokens behind the next one, from the last hidden state and the tokens before, by one small recurrent
network (Cheng et al. 2024, "Recurrent drafter", arXiv 2403.09919; Ankner et al. 2024, "Hydra", arXiv 2402.05109). It
learns from answers that the model itself gives. The distribution at each place follows from the next hidden state, so
the model is run to draw answers, and then no more. The log holds the loss, and at each snapshot, of answers that were
held out, how often predicted tokens are right, and how many tokens a step brings that checks all of them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from services.ar.compute.torch.loading import as_tensor
from services.ar.model.arrays import Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.quantised import as_array
from services.ar.model.weights import open_checkpoint, read_parameters
from tandem.shared.models import ModelRepository
from training import loop
from training.draft_head.answers import Answers, draw_answers, load_answers

NUM_TOKENS = 400_000
HELD_OUT_ANSWERS = 100
IGNORED = -1


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 1_400
    batch_size: int = 1_024
    """Places of answers, each of which is predicted `depth` tokens of."""
    depth: int = 4
    decay: float = 0.8
    """The weight of a token's loss, relative to that of the token before."""
    width: int = 1_024
    num_tokens: int = 4_096
    """That it can predict: those that are most frequent in the answers."""
    num_compared: int = 3_072
    """Tokens that a step compares, those that follow included."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    seed: int = 0

    def rate(self, step: int) -> float:
        """Return what the learning rate is multiplied by: it rises in a fortieth of the steps and falls as a cosine."""
        return min(1.0, 40 * (step + 1) / self.steps) * (1 + math.cos(math.pi * step / self.steps)) / 2


class DraftHead(nn.Module):
    """State [B, H] and token [B] to the next state; `logits` of a state are of the token behind that token."""

    def __init__(self, embedding: Tensor, output: Tensor, width: int, eps: float) -> None:
        super().__init__()
        size = embedding.shape[1]
        self.hidden_norm, self.token_norm = nn.RMSNorm(size, eps), nn.RMSNorm(size, eps)
        self.gate_up = nn.Linear(2 * size, 2 * width, bias=False)
        self.down = nn.Linear(width, size, bias=False)
        nn.init.zeros_(self.down.weight)
        self.embedding = nn.Buffer(embedding, persistent=False)
        self.output = nn.Buffer(output, persistent=False)

    def forward(self, state: Tensor, token: Tensor) -> Tensor:
        known = torch.cat([self.hidden_norm(state), self.token_norm(self.embedding[token])], dim=-1)
        gate, up = self.gate_up(known).chunk(2, dim=-1)
        return state + self.down(functional.silu(gate) * up)  # type: ignore[no-any-return]

    def logits(self, state: Tensor) -> Tensor:
        return functional.linear(state, self.output)


def read_matrices(checkpoint: Checkpoint) -> tuple[Tensor, Tensor]:
    """Return the model's embedding and output matrix [vocab_size, H] float32."""
    found = {}
    for name, parts in read_parameters(checkpoint):
        if name in ("embedding.weight", "head.weight"):
            found[name] = as_tensor(as_array(parts[0]).astype(np.float32))
    return found["embedding.weight"], found.get("head.weight", found["embedding.weight"])


def frequent_tokens(tokens: Array, count: int, vocab_size: int) -> Array:
    """Return the `count` most frequent tokens, ascending."""
    counts = np.bincount(tokens, minlength=vocab_size)
    return np.sort(np.argsort(-counts, kind="stable")[: min(count, vocab_size)]).astype(np.int32)


class Trainer(loop.Trainer[Recipe]):
    """Trains a draft head; `token_ids` [num_tokens] are those that it can predict."""

    def __init__(self, recipe: Recipe, checkpoint: Checkpoint, answers: Answers) -> None:
        super().__init__(recipe, None)
        embedding, output = (part.to(loop.device()) for part in read_matrices(checkpoint))
        self.token_ids = frequent_tokens(answers.tokens, recipe.num_tokens, len(embedding))
        eps = checkpoint.config.norm_eps
        self.head = DraftHead(embedding, output[self.token_ids], recipe.width, eps).to(loop.device())
        weights = list(self.head.parameters())
        self.adamw = torch.optim.AdamW(weights, recipe.learning_rate, (0.9, 0.95), weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.adamw, recipe.rate)
        place = np.full(len(embedding), IGNORED, np.int64)
        place[self.token_ids] = np.arange(len(self.token_ids))
        self._place = torch.from_numpy(place)
        self._hidden = torch.from_numpy(answers.hidden)
        self._tokens = torch.from_numpy(answers.tokens).long()
        ends = torch.from_numpy(np.cumsum(answers.lengths))
        self._stops = torch.repeat_interleave(ends, torch.from_numpy(answers.lengths).long())
        num_held_out = min(HELD_OUT_ANSWERS, len(ends) // 10)
        self._num_trained = int(ends[-1 - num_held_out])
        bounds = [(int(end) - int(length), int(end)) for end, length in zip(ends, answers.lengths, strict=True)]
        self._held_out = bounds[-num_held_out:]

    def batches(self, first_step: int) -> Iterator[loop.Batch]:
        """Yield places [B] of answers, which depend on the step."""
        for step in range(first_step, self.recipe.steps):
            source = torch.Generator().manual_seed(self.recipe.seed * 7919 + step)
            yield (torch.randint(self._num_trained, (self.recipe.batch_size,), generator=source),)

    def step(self, *batch: Tensor) -> dict[str, float]:
        (places,) = (part.cpu() for part in batch)
        chosen, shift = (part.to(loop.device()) for part in self._compared(places))
        output, state = self.head.output[chosen], self._hidden[places].float().to(loop.device())
        loss, logged = torch.zeros((), device=loop.device()), {}
        with loop.mixed_precision():
            for depth in range(1, self.recipe.depth + 1):
                state = self.head(state, self._tokens[places + depth - 1].to(loop.device()))
                behind, is_known = self._behind(places, depth)
                with torch.no_grad():
                    target = functional.linear(self._hidden[behind].float().to(loop.device()), output, shift)
                logprobs = functional.linear(state, output, shift).float().log_softmax(dim=-1)
                bits = -(target.float().softmax(dim=-1) * logprobs).sum(dim=-1)[is_known].mean() / math.log(2)
                loss = loss + bits * self.recipe.decay ** (depth - 1)
                logged[f"bits_{depth}"] = bits.item()
        loop.descend(loss, self.adamw, self.schedule, list(self.head.parameters()))
        return logged

    def _behind(self, places: Tensor, depth: int) -> tuple[Tensor, Tensor]:
        """Return the places `depth` tokens further on [B], and which of them are in the same answer."""
        behind = places + depth
        return behind.clamp(max=len(self._tokens) - 1), behind < self._stops[places]

    def _compared(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens that distributions are over in a step [num_compared], and what is added to their logits.

        They are those that follow, and others that stand for all that are left out: sampled softmax (Jean et al. 2015,
        arXiv 1412.2007).
        """
        behind = [self._behind(places, depth)[0] for depth in range(1, self.recipe.depth + 1)]
        met = torch.unique(self._place[self._tokens[torch.cat(behind)]])
        met = met[met != IGNORED]
        is_other = torch.ones(len(self.token_ids), dtype=torch.bool)
        is_other[met] = False
        others = is_other.nonzero()[:, 0]
        source = torch.Generator().manual_seed(self.recipe.seed * 7919 + self.step_index)
        count = min(len(others), max(0, self.recipe.num_compared - len(met)))
        drawn = others[torch.randperm(len(others), generator=source)[:count]]
        shift = torch.zeros(len(met) + count)
        shift[len(met) :] = math.log(max(1, len(others)) / max(1, count))
        return torch.cat([met, drawn]), shift

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.write_weights(self.head, folder, "head")
        return self.measure()

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Return how often predicted tokens are right, each with all before it, and how many tokens a step brings."""
        token_ids = torch.from_numpy(self.token_ids).long()
        num_steps = num_tokens = 0
        right = np.zeros(self.recipe.depth)
        for start, stop in self._held_out:
            state, last = self._hidden[start:stop].float(), self._tokens[start:stop]
            held = torch.ones(stop - start, dtype=torch.bool)
            accepted = torch.zeros(stop - start, dtype=torch.long)
            for depth in range(1, self.recipe.depth + 1):
                state = self.head(state.to(loop.device()), last.to(loop.device()))
                last = token_ids[self.head.logits(state).argmax(dim=-1).cpu()]
                truth = functional.pad(self._tokens[start + depth : stop], (0, depth), value=-1)[: stop - start]
                held &= last == truth
                accepted += held
                right[depth - 1] += held.double().mean().item()
            place = 0
            while place < stop - start:
                place += 1 + int(accepted[place])
                num_steps += 1
            num_tokens += stop - start
        shares = right / len(self._held_out)
        return {"tokens_a_step": num_tokens / num_steps, **{f"right_{d}": float(s) for d, s in enumerate(shares, 1)}}


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.path_parser(__doc__, model="folder of the model in the repository", out="folder of the run")
    loop.add_options(parser, snapshot_every=350)
    parser.add_argument("--answers", type=Path, help="folder of the answers; default: that of the run")
    options = loop.parse(parser, argv)
    model = ModelRepository(options.model.parent).get(options.model.name)
    folder = options.answers or options.out
    draw_answers(model, loop.share_of(NUM_TOKENS, options.effort), folder)
    recipe = loop.scale(Recipe, options)
    loop.train(Trainer(recipe, open_checkpoint(model.transformer_path()), load_answers(folder)), options)


if __name__ == "__main__":
    main()
