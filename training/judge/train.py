"""Train the judge in resumable slices: `python -m training.judge.train --out runs/fashion-judge [--data FILE.npz]`.

Cross-entropy with smoothed labels on images that are shifted by a pixel and, of Fashion-MNIST, mirrored. The log holds
the loss and, at each snapshot, the accuracy on the validation images; snapshots write the weights and an image: a row a
class, the ten images of it that the judge is most wrong about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from training import loop
from training.dataset import DataSet, load, to_model_range, write_sheet
from training.image_kind import FASHION, ImageKind

NUM_FEATURES = 128


class Judge(nn.Module):
    """Images [B, C, H, W] in -1..1 to (logits [B, classes], features [B, 128]); 0.25 M parameters for 28x28."""

    def __init__(self, kind: ImageKind = FASHION) -> None:
        super().__init__()
        second, third = (2 if kind.num_halvings >= count else 1 for count in (2, 3))  # strides
        self.convolutions = nn.Sequential(
            *_block(kind.num_channels, 24, kernel=5, stride=2),  # [B, 24, 14, 14] of 28x28
            *_block(24, 48, kernel=3, stride=1),
            *_block(48, 96, kernel=3, stride=second),  # [B, 96, 7, 7]
            *_block(96, 96, kernel=3, stride=third),
            nn.AdaptiveAvgPool2d(3),
        )
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(96 * 9, NUM_FEATURES), nn.ReLU())
        self.logits = nn.Linear(NUM_FEATURES, kind.num_classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(self.convolutions(image))
        return self.logits(features), features


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 5_600
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.02
    mirrors: bool = True
    """Whether a mirrored image is one of its class: not so of letters."""
    seed: int = 0


class Trainer(loop.Trainer[Recipe]):
    """Trains the classifier."""

    def __init__(self, recipe: Recipe, data: DataSet) -> None:
        super().__init__(recipe, data.kind, data.train)
        self._validation = data.validation
        self.judge: Judge = loop.to_device(Judge(data.kind))
        parameters = self.judge.parameters()
        self.optimiser = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps
        )

    def step(self, *batch: Tensor) -> dict[str, float]:
        """Learn from images [B, C, H, W] in -1..1 and labels [B]."""
        image, label = batch
        noise = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step_index)
        with loop.mixed_precision():
            logits, _ = self.judge(augment(image, noise, self.recipe.mirrors))
        loss = functional.cross_entropy(logits.float(), label, label_smoothing=self.recipe.label_smoothing)
        loop.descend(loss, self.optimiser, self.schedule)
        return {"loss": loss.item()}

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.judge.eval()
        images, labels = self._validation
        guesses = logits_of(self.judge, images)
        write_mistakes(images, labels, guesses, folder / f"mistakes-{self.step_index:06d}.png")
        self.write_weights(self.judge, folder, "judge")
        self.judge.train()
        return {"validation_accuracy": (guesses.argmax(dim=1) == labels).float().mean().item()}


def augment(image: Tensor, noise: torch.Generator, mirrors: bool) -> Tensor:
    """Shift a batch by up to a pixel each way and mirror half of its images, or none."""
    height, width = image.shape[2:]
    padded = functional.pad(image, (1, 1, 1, 1), value=-1.0)
    down, right = torch.randint(0, 3, (2,), generator=noise).tolist()
    shifted = padded[:, :, down : down + height, right : right + width]
    if not mirrors:
        return shifted
    mirrored = torch.rand(len(image), 1, 1, 1, generator=noise) < 0.5
    return torch.where(mirrored.to(image.device), shifted.flip(3), shifted)


@torch.no_grad()
def logits_of(judge: Judge, images: Tensor) -> Tensor:
    """Return the logits [N, classes] of pixels [N, C, H, W]."""
    parts = (to_model_range(part).to(loop.device()) for part in images.split(1000))
    return torch.cat([judge(part)[0].cpu() for part in parts])


def write_mistakes(images: Tensor, labels: Tensor, logits: Tensor, path: Path) -> None:
    """Write a sheet: one row a class, its ten images that are least taken for it; the last one again, if need be."""
    probabilities = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    rows = []
    for label in range(logits.shape[1]):
        own = (labels == label).nonzero().squeeze(1)
        worst = own[probabilities[own].argsort()[:10]]
        rows.append(images[worst[torch.arange(10).clamp_max(len(worst) - 1)]])
    write_sheet(torch.cat(rows), 10, path)


def main(argv: Sequence[str] | None = None) -> None:
    options = loop.parse(loop.parser(__doc__, snapshot_every=800), argv)
    data = load(options.data)
    loop.train(Trainer(loop.scale(Recipe, options, mirrors=data.kind == FASHION), data), options)


if __name__ == "__main__":
    main()
