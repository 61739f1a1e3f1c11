"""The parallel model: a generator that draws a digit in one pass, and the discriminator that it learns from."""

import copy
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from examples.digits.data import NUM_CLASSES, SIDE, Digits
from training.onnx_files import check_against_torch, write_onnx

LATENT_DIM = 16
NUM_FEATURES = 128
BATCH_SIZE = 64
LEARNING_RATE = 1e-3
EMA_DECAY = 0.995


class Generator(nn.Module):
    """Latent [B, 16] and label [B] to an image [B, 1, 8, 8] in -1..1."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(NUM_CLASSES, 16)
        self.body = nn.Sequential(
            nn.Linear(LATENT_DIM + 16, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, 256),
            nn.LeakyReLU(0.2),
            nn.Linear(256, SIDE * SIDE),
            nn.Tanh(),
            nn.Unflatten(1, (1, SIDE, SIDE)),
        )

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        return self.body(torch.cat([latent, self.label(label)], dim=1))  # type: ignore[no-any-return]


class Discriminator(nn.Module):
    """Image [B, 1, 8, 8] and label [B] to (score [B], features [B, 128]): positive scores mean real."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(),
            spectral_norm(nn.Linear(SIDE * SIDE, 256)),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.2),
            spectral_norm(nn.Linear(256, NUM_FEATURES)),
            nn.LeakyReLU(0.2),
        )
        self.score = spectral_norm(nn.Linear(NUM_FEATURES, 1))
        self.projection = spectral_norm(nn.Embedding(NUM_CLASSES, NUM_FEATURES))

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(image)
        return self.score(features).squeeze(1) + (self.projection(label) * features).sum(dim=1), features


def train(digits: Digits, steps: int, seed: int) -> tuple[Generator, Discriminator]:
    """Play the game and return both players, the generator as the moving average of its weights."""
    torch.manual_seed(seed)
    generator, discriminator = Generator(), Discriminator()
    averaged = copy.deepcopy(generator).requires_grad_(False)
    optimisers = [torch.optim.Adam(each.parameters(), betas=(0.0, 0.99)) for each in (generator, discriminator)]
    images = digits.images()
    for step in track(range(steps), "the GAN"):
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, 2 * (1 - step / steps))
        chosen = torch.randint(len(images), (BATCH_SIZE,))
        _round(generator, discriminator, optimisers, images[chosen], digits.labels[chosen])
        _follow(averaged, generator, min(EMA_DECAY, (1 + step) / (10 + step)))
    return averaged.eval(), discriminator.eval().requires_grad_(False)


def _round(
    generator: Generator, discriminator: Discriminator, optimisers: list[torch.optim.Adam], real: Tensor, label: Tensor
) -> None:
    """Let the discriminator learn, then the generator: hinge loss (Miyato et al. 2018)."""
    fake = generator(torch.randn(len(label), LATENT_DIM), label)
    score, _ = discriminator(torch.cat([real, fake.detach()]), label.repeat(2))
    real_score, fake_score = score.chunk(2)
    _learn(optimisers[1], torch.relu(1 - real_score).mean() + torch.relu(1 + fake_score).mean())
    _learn(optimisers[0], -discriminator(fake, label)[0].mean())


def _learn(optimiser: torch.optim.Adam, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


@torch.no_grad()
def _follow(averaged: Generator, generator: Generator, decay: float) -> None:
    for mean, current in zip(averaged.parameters(), generator.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)


def export(generator: Generator, discriminator: Discriminator, folder: Path) -> list[Path]:
    """Write both as ONNX with a free batch size, compare them with torch and return the files."""
    drawn, judged = folder / "generator.onnx", folder / "discriminator.onnx"
    label = torch.arange(NUM_CLASSES)
    latent = torch.randn(NUM_CLASSES, LATENT_DIM)
    write_onnx(generator, (latent, label), ("latent", "label"), ("image",), drawn)
    check_against_torch(generator, [(latent, label)], drawn)
    image = generator(latent, label)
    write_onnx(discriminator, (image, label), ("image", "label"), ("score", "features"), judged)
    check_against_torch(discriminator, [(image, label)], judged)
    return [drawn, judged]
