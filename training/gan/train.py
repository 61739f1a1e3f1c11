"""Train the GAN in resumable slices: `python -m training.gan.train --out runs/fashion-gan [--data FILE.npz]`.

Hinge loss, one discriminator step per generator step, an exponential moving average of the generator (the weights that
are served), a learning rate that falls linearly over the last 40 % of the steps. The log holds both losses and mean
scores; snapshots write the averaged generator and an image, a row a class.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training import loop
from training.dataset import DataSet, load, to_pixels, write_sheet
from training.gan.networks import LATENT_DIM, Discriminator, Generator, init_orthogonal


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 28_000
    batch_size: int = 64
    learning_rate: float = 4e-4
    ema_decay: float = 0.999
    seed: int = 0


class Trainer(loop.Trainer[Recipe]):
    """Both players, their optimisers and the moving average; a step is one round."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        super().__init__(recipe, data.kind, data.train)
        self.generator: Generator = loop.to_device(Generator(data.kind).apply(init_orthogonal))
        self.discriminator: Discriminator = loop.to_device(Discriminator(data.kind).apply(init_orthogonal))
        self.averaged = loop.average(self.generator, recipe.ema_decay, use_buffers=False)
        self.generator_optimiser = self._optimiser(self.generator)
        self.discriminator_optimiser = self._optimiser(self.discriminator)

    def _optimiser(self, module: nn.Module) -> torch.optim.Adam:
        return torch.optim.Adam(module.parameters(), lr=self.recipe.learning_rate, betas=(0.0, 0.99))

    def step(self, *batch: Tensor) -> dict[str, float]:
        """Play one round on real images [B, C, H, W] in -1..1 and labels; return both losses and mean scores."""
        image, label = batch
        self._set_learning_rate()
        noise = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step_index)
        latents = torch.randn(2, len(label), LATENT_DIM, generator=noise).to(label.device)
        fake_label = torch.randint(self.kind.num_classes, (len(label),), generator=noise).to(label.device)
        with loop.mixed_precision():
            losses = self._discriminator_round(image, label, latents[0], fake_label)
            losses |= self._generator_round(latents[1], fake_label)
        self.averaged.update_parameters(self.generator)
        return losses

    def _discriminator_round(
        self, image: Tensor, label: Tensor, latent: Tensor, fake_label: Tensor
    ) -> dict[str, float]:
        with torch.no_grad():
            fake = self.generator(latent, fake_label)
        score, _ = self.discriminator(torch.cat([image, fake]), torch.cat([label, fake_label]))
        real_score, fake_score = score.float().chunk(2)
        loss = loop.hinge_loss(real_score, fake_score)
        loop.descend(loss, self.discriminator_optimiser)
        return {
            "discriminator_loss": loss.item(),
            "real_score": real_score.mean().item(),
            "fake_score": fake_score.mean().item(),
        }

    def _generator_round(self, latent: Tensor, label: Tensor) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        score, _ = self.discriminator(self.generator(latent, label), label)
        loss = -score.float().mean()
        loop.descend(loss, self.generator_optimiser)
        self.discriminator.requires_grad_(True)
        return {"generator_loss": loss.item()}

    def _set_learning_rate(self) -> None:
        rate = self.recipe.learning_rate * min(1.0, (1 - self.step_index / self.recipe.steps) / 0.4)
        for optimiser in (self.generator_optimiser, self.discriminator_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = rate

    def snapshot(self, folder: Path) -> dict[str, float]:
        served = self.averaged.module.eval()
        assert isinstance(served, Generator)
        write_samples(served, folder / f"samples-{self.step_index:06d}.png")
        self.write_weights(served, folder, "ema")
        return {}


@torch.no_grad()
def write_samples(generator: Generator, path: Path) -> None:
    """Write a sheet: one row a class, ten fixed latents a row; drawn where the generator's weights are."""
    device = next(generator.parameters()).device
    label = torch.arange(generator.kind.num_classes).repeat_interleave(10)
    latent = torch.randn(len(label), LATENT_DIM, generator=torch.Generator().manual_seed(1))
    write_sheet(to_pixels(generator(latent.to(device), label.to(device))), 10, path)


def main(argv: Sequence[str] | None = None) -> None:
    options = loop.parse(loop.parser(__doc__, snapshot_every=2_000), argv)
    loop.train(Trainer(loop.scale(Recipe, options), load(options.data)), options)


if __name__ == "__main__":
    main()
