"""Train the image tokenizer in resumable slices: `python -m training.tokenizer.train --out runs/fashion-tokenizer`.

Encoder and decoder learn together to give the image back (squared error plus a quarter of absolute error) from tokens
that are easy to predict (bits a token under a small prior). The log says how far they are, each snapshot on the
validation images: PSNR, bits, codes used; and it writes an image, originals above reconstructions.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training import loop
from training.dataset import load_tensors, shuffled_batches, to_model_range, to_pixels
from training.tokenizer.networks import NUM_CODES, Decoder, Encoder, Prior, quantise, to_tokens


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

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (the image as it comes back, the quantised numbers)."""
        quantised = quantise(self.encoder(image))
        return self.decoder(quantised), quantised


class Trainer:
    """Implements `loop.Trainer`; the averaged weights are the ones to serve."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step_index = 0
        self.model = Autoencoder().to(loop.device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.prior = Prior().to(loop.device())
        decay = get_ema_multi_avg_fn(recipe.ema_decay)
        self.averaged = AveragedModel(self.model, multi_avg_fn=decay, use_buffers=True)
        self._trained = [*self.model.parameters(), *self.prior.parameters()]
        self.optimiser = torch.optim.AdamW(self._trained, recipe.learning_rate, (0.9, 0.99), weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.05
        )

    def step(self, *batch: Tensor) -> dict[str, float]:
        (image,) = batch
        with loop.mixed_precision():
            restored, quantised = self.model(image)
        bits = self.prior(quantised).mean()
        loss = restoration_loss(restored, image) + self.recipe.rate_weight * bits
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._trained, 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.averaged.update_parameters(self.model)
        return {"loss": loss.item(), "bits_per_token": bits.item()}

    def stateful(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("model", "prior", "averaged", "optimiser", "schedule")}

    @torch.no_grad()
    def snapshot(self, folder: Path) -> dict[str, float]:
        measured = write_snapshot(self.averaged, folder, self.step_index)
        images = to_model_range(load_tensors("validation")[0][:2000]).to(loop.device())
        _, quantised = self.averaged.module(images)
        return {"validation_bits_per_token": self.prior(quantised).mean().item(), **measured}


def restoration_loss(restored: Tensor, image: Tensor) -> Tensor:
    error = restored.float() - image
    return error.square().mean() + 0.25 * error.abs().mean()


@torch.no_grad()
def write_snapshot(averaged: AveragedModel, folder: Path, step: int) -> dict[str, float]:
    """Write the averaged tokenizer's weights and an image; return how well it restores 2,000 validation images."""
    served = averaged.module.eval()
    image = to_model_range(load_tensors("validation")[0][:2000]).to(loop.device())
    restored, quantised = served(image)
    _write_image(image, restored, folder / f"samples-{step:06d}.png")
    save_file({k: v.contiguous() for k, v in served.state_dict().items()}, folder / f"ema-{step:06d}.safetensors")
    mean_square = float((restored - image).square().mean()) / 4  # of a range of 1
    used = len(to_tokens(quantised).unique())
    return {"psnr": round(-10 * math.log10(mean_square), 2), "codes_used": used, "codes": NUM_CODES}


def load_tokenizer(weights: Path) -> Autoencoder:
    """Return a trained tokenizer, frozen."""
    tokenizer = Autoencoder()
    tokenizer.load_state_dict(load_file(weights))
    return tokenizer.eval().requires_grad_(False).to(loop.device())


def _write_image(image: Tensor, restored: Tensor, path: Path) -> None:
    rows = torch.cat([torch.cat([image[i : i + 16], restored[i : i + 16]]) for i in range(0, 64, 16)])
    grid = to_pixels(rows).view(8, 16, 28, 28).permute(0, 2, 1, 3).reshape(224, 448)
    Image.fromarray(grid.cpu().numpy()).resize((1344, 672), Image.Resampling.NEAREST).save(path)


def batches(batch_size: int, seed: int, first_step: int) -> Iterator[tuple[Tensor]]:
    """Yield images [B, 1, 28, 28] in -1..1."""
    images, _ = load_tensors("train")
    for chosen in shuffled_batches(len(images), batch_size, seed, first_step):
        yield (to_model_range(images[chosen]).contiguous(memory_format=torch.channels_last),)


def main() -> None:
    options = loop.parser(__doc__, snapshot_every=1_000).parse_args()
    recipe = Recipe(seed=options.seed)
    limits = loop.Slice(options.slice_seconds, options.snapshot_every)
    loop.train(
        Trainer(recipe), lambda first_step: batches(recipe.batch_size, recipe.seed, first_step), options.out, limits
    )


if __name__ == "__main__":
    main()
