"""The judge: a classifier whose features say how far drawn digits are from real ones. It is used for measuring only."""

from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn

from examples.digits.data import NUM_CLASSES, Digits
from training.onnx_files import check_against_torch, write_onnx

NUM_FEATURES = 32
BATCH_SIZE = 64


class Judge(nn.Module):
    """Image [B, 1, 8, 8] in -1..1 to (logits [B, 10], features [B, 32])."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),  # [B, 32, 4, 4]
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, NUM_FEATURES),
            nn.ReLU(),
        )
        self.logits = nn.Sequential(nn.Dropout(0.2), nn.Linear(NUM_FEATURES, NUM_CLASSES))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(image)
        return self.logits(features), features


def train(digits: Digits, steps: int, seed: int) -> Judge:
    """Return a classifier; what it looked at is frozen from now on, or figures could not be compared."""
    torch.manual_seed(seed)
    judge, images = Judge(), digits.images()
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in track(range(steps), "the judge"):
        chosen = torch.randint(len(images), (BATCH_SIZE,))
        loss = nn.functional.cross_entropy(judge(images[chosen])[0], digits.labels[chosen], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def accuracy(judge: Judge, digits: Digits) -> float:
    """Return the share of the digits that the judge gets right."""
    return float((judge(digits.images())[0].argmax(dim=1) == digits.labels).float().mean())


def export(judge: Judge, folder: Path) -> list[Path]:
    """Write the judge as ONNX with the names that the evaluation asks for; return the file."""
    path, image = folder / "judge.onnx", torch.zeros(2, 1, 8, 8)
    write_onnx(judge, (image,), ("image",), ("logits", "features"), path)
    check_against_torch(judge, [(image,)], path)
    return [path]
