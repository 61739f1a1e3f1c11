"""Train the judge in resumable slices: `python -m training.judge.train --out runs/fashion-judge`.

Cross-entropy with smoothed labels on images that are shifted by a pixel and mirrored. The log holds the loss and, at
each snapshot, the accuracy on the validation images; snapshots write the weights and an image: a row a class, the ten
images of it that the judge is most wrong about.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from training import loop
from training.dataset import load_tensors, shuffled_batches, to_model_range
from training.judge.networks import Judge


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    steps: int = 5_600
    batch_size: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.02
    seed: int = 0


class Trainer:
    """Implements `loop.Trainer`."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step_index = 0
        self.judge = Judge().to(loop.device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
        parameters = self.judge.parameters()
        self.optimiser = torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, recipe.learning_rate, total_steps=recipe.steps
        )

    def step(self, *batch: Tensor) -> dict[str, float]:
        """Learn from images [B, 1, 28, 28] in -1..1 and labels [B]."""
        image, label = batch
        noise = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step_index)
        with loop.mixed_precision():
            logits, _ = self.judge(augmented(image, noise))
        loss = functional.cross_entropy(logits.float(), label, label_smoothing=self.recipe.label_smoothing)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return {"loss": loss.item()}

    def stateful(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("judge", "optimiser", "schedule")}

    def snapshot(self, folder: Path) -> dict[str, float]:
        self.judge.eval()
        images, labels = load_tensors("validation")
        guesses = logits_of(self.judge, images)
        write_mistakes(images, labels, guesses, folder / f"mistakes-{self.step_index:06d}.png")
        state = {key: tensor.contiguous() for key, tensor in self.judge.state_dict().items()}
        save_file(state, folder / f"judge-{self.step_index:06d}.safetensors")
        self.judge.train()
        return {"validation_accuracy": (guesses.argmax(dim=1) == labels).float().mean().item()}


def augmented(image: Tensor, noise: torch.Generator) -> Tensor:
    """Shift a batch by up to a pixel each way and mirror half of its images."""
    padded = functional.pad(image, (1, 1, 1, 1), value=-1.0)
    down, right = torch.randint(0, 3, (2,), generator=noise).tolist()
    shifted = padded[:, :, down : down + 28, right : right + 28]
    mirrored = torch.rand(len(image), 1, 1, 1, generator=noise) < 0.5
    return torch.where(mirrored.to(image.device), shifted.flip(3), shifted)


@torch.no_grad()
def logits_of(judge: Judge, images: Tensor) -> Tensor:
    """Return the logits [N, 10] of pixels [N, 1, 28, 28]."""
    parts = (to_model_range(part).to(loop.device()) for part in images.split(1000))
    return torch.cat([judge(part)[0].cpu() for part in parts])


def write_mistakes(images: Tensor, labels: Tensor, logits: Tensor, path: Path) -> None:
    """Write a grid: one row a class, of its images the ten that are least taken for it."""
    probabilities = logits.softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    worst = [images[labels == c][probabilities[labels == c].argsort()[:10], 0] for c in range(NUM_CLASSES)]
    grid = torch.stack(worst).permute(0, 2, 1, 3).reshape(280, 280)
    Image.fromarray(grid.numpy()).resize((840, 840), Image.Resampling.NEAREST).save(path)


def batches(recipe: Recipe, first_step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (images [B, 1, 28, 28] in -1..1, labels [B])."""
    images, labels = load_tensors("train")
    for chosen in shuffled_batches(len(labels), recipe.batch_size, recipe.seed, first_step):
        yield to_model_range(images[chosen]).contiguous(memory_format=torch.channels_last), labels[chosen]


def main() -> None:
    options = loop.parser(__doc__, snapshot_every=800).parse_args()
    recipe = Recipe(seed=options.seed)
    limits = loop.Slice(options.slice_seconds, options.snapshot_every)
    loop.train(Trainer(recipe), lambda first_step: batches(recipe, first_step), options.out, limits)


if __name__ == "__main__":
    main()
