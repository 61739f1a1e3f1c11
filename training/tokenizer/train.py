"""Train the image tokenizer in resumable slices: `python -m training.tokenizer.train --out runs/fashion-tokenizer`, see
--help.

Encoder and decoder learn together to give the image back (squared error plus a quarter of absolute error) from tokens
that are easy to predict (bits a token under a small prior). The log says how far they are, each snapshot on the
validation images: PSNR, bits, codes used; and it writes an image, originals above reconstructions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from training import loop
from training.dataset import DataSet, load, to_model_range, to_pixels, write_sheet
from training.image_kind import ImageKind
from training.tokenizer.networks import FIRST_CLASS_TOKEN, NUM_CODES, Decoder, Encoder, Prior, quantise, to_tokens


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 4_000
    batch_size: int = 128
    learning_rate: float = 2e-3
    rate_weight: float = 0.009
    ema_decay: float = 0.998
    seed: int = 0


class Autoencoder(nn.Module):
    """Encoder, quantisation, decoder."""

    def __init__(self, kind: ImageKind) -> None:
        super().__init__()
        self.kind = kind
        self.encoder = Encoder(kind)
        self.decoder = Decoder(kind)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (the image as it comes back, the quantised numbers)."""
        quantised = quantise(self.encoder(image))
        return self.decoder(quantised), quantised


class Trainer(loop.Trainer[Recipe]):
    """Trains encoder and decoder together; the averaged weights are the ones to serve."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        super().__init__(recipe, data.kind, data.train)
        self._validation = first_of(data.validation)
        self.model: Autoencoder = loop.to_device(Autoencoder(data.kind))
        self.prior = Prior().to(loop.device())
        self.averaged = loop.average(self.model, recipe.ema_decay)
        self._trained = [*self.model.parameters(), *self.prior.parameters()]
        self.optimiser = torch.optim.AdamW(self._trained, recipe.learning_rate, (0.9, 0.99), weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.05
        )

    def step(self, *batch: Tensor) -> dict[str, float]:
        image, _ = batch
        with loop.mixed_precision():
            restored, quantised = self.model(image)
        bits = self.prior(quantised).mean()
        loss = restoration_loss(restored, image) + self.recipe.rate_weight * bits
        loop.descend(loss, self.optimiser, self.schedule, self._trained)
        self.averaged.update_parameters(self.model)
        return {"loss": loss.item(), "bits_per_token": bits.item()}

    @torch.no_grad()
    def snapshot(self, folder: Path) -> dict[str, float]:
        measured = write_snapshot(self.averaged, self._validation, folder, self.step_index)
        _, quantised = self.averaged.module(self._validation)
        return {"validation_bits_per_token": self.prior(quantised).mean().item(), **measured}


def restoration_loss(restored: Tensor, image: Tensor) -> Tensor:
    error = restored.float() - image
    return error.square().mean() + 0.25 * error.abs().mean()


def first_of(images: tuple[Tensor, Tensor], count: int = 2000) -> Tensor:
    """Return the first images of a split in -1..1."""
    return to_model_range(images[0][:count]).to(loop.device())


@torch.no_grad()
def write_snapshot(averages: AveragedModel, image: Tensor, folder: Path, step: int) -> dict[str, float]:
    """Write the averaged tokenizer's weights and a sheet; return how well it restores images [B, C, H, W]."""
    served = averages.module.eval()
    restored, quantised = served(image)
    _write_image(image, restored, folder / f"samples-{step:06d}.png")
    save_file({k: v.contiguous() for k, v in served.state_dict().items()}, folder / f"ema-{step:06d}.safetensors")
    mean_square = float((restored - image).square().mean()) / 4  # of a range of 1
    used = len(to_tokens(quantised).unique())
    return {"psnr": round(-10 * math.log10(mean_square), 2), "codes_used": used, "codes": NUM_CODES}


@torch.no_grad()
def token_sequences(tokenizer: Autoencoder, split: tuple[Tensor, Tensor]) -> Tensor:
    """Return [N, 1 + T] token ids, the class first, of a split of the data: images [N, C, H, W] uint8, labels [N]."""
    images, labels = split
    encoder, where = tokenizer.encoder, loop.device()
    parts = [to_tokens(quantise(encoder(to_model_range(part).to(where)))).cpu() for part in images.split(1000)]
    return torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, torch.cat(parts)], dim=1)


def load_tokenizer(weights: Path) -> Autoencoder:
    """Return a trained tokenizer, a snapshot in the folder of its run, frozen."""
    tokenizer = Autoencoder(ImageKind.of(weights.parent))
    tokenizer.load_state_dict(load_file(weights))
    return tokenizer.eval().requires_grad_(False).to(loop.device())


def _write_image(image: Tensor, restored: Tensor, path: Path) -> None:
    columns = min(16, len(image))
    starts = range(0, min(64, len(image) - columns + 1), columns)
    rows = [torch.cat([image[i : i + columns], restored[i : i + columns]]) for i in starts]
    write_sheet(to_pixels(torch.cat(rows)), columns, path)


def main(argv: Sequence[str] | None = None) -> None:
    options = loop.parse(loop.parser(__doc__, snapshot_every=1_000), argv)
    loop.train(Trainer(loop.scale(Recipe, options), load(options.data)), options)


if __name__ == "__main__":
    main()
