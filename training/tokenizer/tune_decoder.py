"""Sharpen a trained tokenizer's decoder; its tokens stay as they are:

    python -m training.tokenizer.tune_decoder --tokenizer runs/fashion-tokenizer --out runs/fashion-decoder

A decoder trained on squared error alone shows the mean of all that a token may stand for, which is a blur. Here it also
plays against a discriminator of patches (hinge loss), weighed so that both losses pull equally at the last layer (Esser
et al. 2021). The encoder is frozen, so a sequential model can learn the tokens at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training import loop
from training.dataset import DataSet, load
from training.tokenizer import train as base
from training.tokenizer.networks import PatchDiscriminator, quantise


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome, but for the tokenizer that it starts from."""

    steps: int = 4_000
    batch_size: int = 128
    learning_rate: float = 4e-4
    adversarial_weight: float = 0.5
    ema_decay: float = 0.998
    seed: int = 0


class Trainer(loop.Trainer[Recipe]):
    """Trains the decoder alone; the averaged weights are the ones to serve."""

    BATCH_SEED = 1

    def __init__(self, recipe: Recipe, tokenizer: base.Autoencoder, data: DataSet) -> None:
        super().__init__(recipe, tokenizer.kind, data.train)
        self._validation = base.first_of(data.validation)
        self.model: base.Autoencoder = loop.to_device(tokenizer)
        self.model.encoder.eval().requires_grad_(False)
        self.model.decoder.train().requires_grad_(True)
        self.discriminator: PatchDiscriminator = loop.to_device(PatchDiscriminator(self.kind.num_channels))
        self.averaged = loop.average(self.model, recipe.ema_decay)
        self.optimiser, self.schedule = self._optimiser(self.model.decoder)
        self.opponent_optimiser, self.opponent_schedule = self._optimiser(self.discriminator)

    def _optimiser(self, module: torch.nn.Module) -> tuple[torch.optim.Adam, torch.optim.lr_scheduler.LinearLR]:
        optimiser = torch.optim.Adam(module.parameters(), self.recipe.learning_rate, (0.0, 0.99))
        return optimiser, torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, self.recipe.steps)

    def step(self, *batch: Tensor) -> dict[str, float]:
        image, _ = batch
        with loop.mixed_precision():
            with torch.no_grad():
                quantised = quantise(self.model.encoder(image))
            restored = self.model.decoder(quantised).float()
            values = self._opponent_round(image, restored.detach())
            values |= self._decoder_round(image, restored)
        self.averaged.update_parameters(self.model)
        return values

    def _opponent_round(self, image: Tensor, restored: Tensor) -> dict[str, float]:
        real, fake = self.discriminator(torch.cat([image, restored])).float().chunk(2)
        loss = loop.hinge_loss(real, fake)
        loop.descend(loss, self.opponent_optimiser, self.opponent_schedule)
        return {"discriminator_loss": loss.item()}

    def _decoder_round(self, image: Tensor, restored: Tensor) -> dict[str, float]:
        loss = base.restoration_loss(restored, image)
        self.discriminator.requires_grad_(False)
        game_loss = -self.discriminator(restored).float().mean()
        self.discriminator.requires_grad_(True)
        weight = self.recipe.adversarial_weight * self._pull(loss) / (self._pull(game_loss) + 1e-6)
        loop.descend(loss + weight * game_loss, self.optimiser, self.schedule)
        return {"restoration_loss": loss.item(), "decoder_loss": game_loss.item(), "weight": weight.item()}

    def _pull(self, loss: Tensor) -> Tensor:
        """Return how strongly a loss pulls at the decoder's last layer."""
        (gradient,) = torch.autograd.grad(loss, self.model.decoder.last.weight, retain_graph=True)
        norm: Tensor = gradient.norm()
        return norm

    def snapshot(self, folder: Path) -> dict[str, float]:
        return base.write_snapshot(self.averaged, self._validation, folder, self.step_index)


def main(argv: Sequence[str] | None = None) -> None:
    parser = loop.parser(__doc__, snapshot_every=500, tokenizer="folder of the tokenizer's training run")
    options = loop.parse(parser, argv)
    tokenizer = base.load_tokenizer(loop.newest(options.tokenizer, "ema-*.safetensors"))
    loop.train(Trainer(loop.scale(Recipe, options), tokenizer, load(options.data)), options)


if __name__ == "__main__":
    main()
