"""Train the GAN in resumable slices: `python -m training.gan.train --out runs/fashion-gan`.

Hinge loss, one discriminator step per generator step, an exponential moving average of the generator
(the weights that are served) and a learning rate that falls linearly over the last 40 % of the steps.
Each run writes `log.jsonl` (one line per 100 steps: both players' losses, scores), `samples-<step>.png`,
`ema-<step>.safetensors` snapshots and `checkpoint.pt`; started again it goes on from the checkpoint.
"""

import argparse
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from rich.progress import Progress, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor, nn

from training.dataset import load_split
from training.gan.networks import (
    LATENT_DIM,
    NUM_CLASSES,
    Discriminator,
    Generator,
    init_orthogonal,
)

LOG_EVERY = 100

Player = TypeVar("Player", Generator, Discriminator)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome; kept in the checkpoint so that a slice cannot mix two recipes."""

    steps: int = 28_000
    batch_size: int = 64
    learning_rate: float = 4e-4
    ema_decay: float = 0.999
    seed: int = 0


class Trainer:
    """Owns both players, their optimisers and the moving average; one `step` is one round of the game."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step_index = 0
        self.generator = _channels_last(Generator().apply(init_orthogonal))
        self.discriminator = _channels_last(Discriminator().apply(init_orthogonal))
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.generator_optimiser = self._optimiser(self.generator)
        self.discriminator_optimiser = self._optimiser(self.discriminator)

    def _optimiser(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), lr=self.recipe.learning_rate, betas=(0.0, 0.99))

    def step(self, image: Tensor, label: Tensor) -> dict[str, float]:
        """Play one round on real images [B, 1, 28, 28] in -1..1; return both losses and mean scores."""
        self._set_learning_rate()
        noise = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step_index)
        latents = torch.randn(2, len(label), LATENT_DIM, generator=noise)
        fake_label = torch.randint(NUM_CLASSES, (len(label),), generator=noise)
        with torch.autocast("cpu", torch.bfloat16):
            losses = self._discriminator_round(image, label, latents[0], fake_label)
            losses |= self._generator_round(latents[1], fake_label)
        self._update_ema()
        self.step_index += 1
        return losses

    def _discriminator_round(
        self, image: Tensor, label: Tensor, latent: Tensor, fake_label: Tensor
    ) -> dict[str, float]:
        with torch.no_grad():
            fake = self.generator(latent, fake_label)
        score, _ = self.discriminator(torch.cat([image, fake]), torch.cat([label, fake_label]))
        real_score, fake_score = score.float().chunk(2)
        loss = torch.relu(1 - real_score).mean() + torch.relu(1 + fake_score).mean()
        self.discriminator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.discriminator_optimiser.step()
        return {
            "discriminator_loss": loss.item(),
            "real_score": real_score.mean().item(),
            "fake_score": fake_score.mean().item(),
        }

    def _generator_round(self, latent: Tensor, label: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        score, _ = self.discriminator(self.generator(latent, label), label)
        loss = -score.float().mean()
        self.generator_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.generator_optimiser.step()
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.item()}

    def _set_learning_rate(self) -> None:
        remaining = 1 - self.step_index / self.recipe.steps
        rate = self.recipe.learning_rate * min(1.0, remaining / 0.4)
        for optimiser in (self.generator_optimiser, self.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate

    @torch.no_grad()
    def _update_ema(self) -> None:
        # A short memory at the start, so that the average does not carry the random weights along.
        decay = min(self.recipe.ema_decay, (1 + self.step_index) / (10 + self.step_index))
        averaged: list[Tensor] = list(self.ema.parameters())
        current: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for target, source in zip(self.ema.buffers(), self.generator.buffers(), strict=True):
            target.copy_(source)

    def state(self) -> dict[str, object]:
        return {
            "recipe": vars(self.recipe),
            "step_index": self.step_index,
            **{name: getattr(self, name).state_dict() for name in self._stateful()},
        }

    def restore(self, state: dict[str, object]) -> None:
        if state["recipe"] != vars(self.recipe):
            raise ValueError(f"the checkpoint was made with another recipe: {state['recipe']}")
        self.step_index = int(state["step_index"])  # type: ignore[call-overload]
        for name in self._stateful():
            getattr(self, name).load_state_dict(state[name])

    @staticmethod
    def _stateful() -> tuple[str, ...]:
        return ("generator", "discriminator", "ema", "generator_optimiser", "discriminator_optimiser")


def _channels_last(module: Player) -> Player:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def batches(recipe: Recipe, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images [B, 1, 28, 28] in -1..1, labels [B]); the order depends on the seed and the step alone."""
    images_uint8, labels_array = load_split("train")
    images = torch.from_numpy(images_uint8.copy()).unsqueeze(1)
    labels = torch.from_numpy(labels_array)
    per_epoch = len(labels) // recipe.batch_size
    step = first_step
    while step < recipe.steps:
        epoch, position = divmod(step, per_epoch)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(recipe.seed * 7919 + epoch))
        for start in range(position, min(per_epoch, position + recipe.steps - step)):
            chosen = order[start * recipe.batch_size : (start + 1) * recipe.batch_size]
            image = images[chosen].float().div(127.5).sub(1)
            yield image.contiguous(memory_format=torch.channels_last), labels[chosen]
            step += 1


@torch.no_grad()
def write_samples(generator: Generator, path: Path) -> None:
    """Write a grid: one row a class, ten fixed latents a row."""
    latent = torch.randn(100, LATENT_DIM, generator=torch.Generator().manual_seed(1))
    label = torch.arange(NUM_CLASSES).repeat_interleave(10)
    pixels = generator(latent, label).add(1).mul(127.5).round().clamp(0, 255).byte()
    grid = pixels.view(10, 10, 28, 28).permute(0, 2, 1, 3).reshape(280, 280)
    Image.fromarray(grid.numpy()).resize((840, 840), Image.Resampling.NEAREST).save(path)


def train(recipe: Recipe, out: Path, slice_seconds: float, snapshot_every: int) -> None:
    """Train until the recipe's last step or until the slice is over, whichever comes first."""
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.restore(torch.load(checkpoint, weights_only=True))
    started, first_step = time.monotonic(), trainer.step_index
    columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(elapsed_when_finished=True))
    with Progress(*columns) as progress, (out / "log.jsonl").open("a") as log:
        task = progress.add_task("training", total=recipe.steps, completed=first_step)
        for image, label in batches(recipe, first_step):
            losses = trainer.step(image, label)
            progress.advance(task)
            if trainer.step_index % LOG_EVERY == 0:
                seconds = time.monotonic() - started
                line = {"step": trainer.step_index, "slice_seconds": round(seconds, 1), **losses}
                log.write(json.dumps(line) + "\n")
                log.flush()
            if trainer.step_index % snapshot_every == 0 or trainer.step_index == recipe.steps:
                _snapshot(trainer, out)
            if time.monotonic() - started > slice_seconds:
                break
    _snapshot(trainer, out)


def _snapshot(trainer: Trainer, out: Path) -> None:
    name = f"{trainer.step_index:06d}"
    write_samples(trainer.ema, out / f"samples-{name}.png")
    save_file(_contiguous(trainer.ema), out / f"ema-{name}.safetensors")
    partial = out / "checkpoint.pt.partial"
    torch.save(trainer.state(), partial)
    partial.replace(out / "checkpoint.pt")


def _contiguous(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in module.state_dict().items()}


def main() -> None:
    defaults = Recipe()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, logs and pictures")
    parser.add_argument("--steps", type=int, default=defaults.steps, help="steps of the whole recipe")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--slice-seconds", type=float, default=float("inf"), help="stop after this long")
    parser.add_argument("--snapshot-every", type=int, default=2_000, help="steps between snapshots")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe(steps=options.steps, seed=options.seed)
    train(recipe, options.out, options.slice_seconds, options.snapshot_every)


if __name__ == "__main__":
    main()
