"""Train the judge: a small classifier of Fashion-MNIST whose features measure generators.

`python -m training.judge --out models/fashion-judge` trains for about four minutes on 2 cores, writes
judge.onnx (inputs `image` [B, 1, 28, 28] in -1..1; outputs `logits` [B, 10], `features` [B, 128]) and prints its
accuracy on the test split. Once measured against, it stays frozen: other features would give other figures.
"""

import argparse
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn

from training.dataset import load_tensors, to_model_range
from training.onnx_files import check_against_torch, write_onnx

NUM_FEATURES = 128


class Judge(nn.Module):
    """A convolutional classifier, 0.25 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, 24, kernel=5, stride=2),  # [B, 24, 14, 14]
            *_block(24, 48, kernel=3, stride=1),
            *_block(48, 96, kernel=3, stride=2),  # [B, 96, 7, 7]
            *_block(96, 96, kernel=3, stride=1),
            nn.AdaptiveAvgPool2d(3),
        )
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(96 * 9, NUM_FEATURES), nn.ReLU())
        self.logits = nn.Linear(NUM_FEATURES, 10)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(self.convolutions(image))
        return self.logits(features), features


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def train(epochs: int, batch_size: int, seed: int) -> Judge:
    """Return a trained judge: AdamW, one-cycle learning rate, shifts of one pixel, mirror images, label smoothing."""
    torch.manual_seed(seed)
    images, labels = _tensors("train")
    judge = Judge().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = epochs * (len(labels) // batch_size)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    order = torch.cat([torch.randperm(len(labels))[: steps // epochs * batch_size] for _ in range(epochs)])
    for chosen in track(order.split(batch_size), description="training the judge"):
        with torch.autocast("cpu", torch.bfloat16):
            logits, _ = judge(_augment(images[chosen]))
        loss = nn.functional.cross_entropy(logits.float(), labels[chosen], label_smoothing=0.02)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return judge.eval()  # type: ignore[no-any-return]


def _tensors(split: str) -> tuple[Tensor, Tensor]:
    images, labels = load_tensors(split)
    return to_model_range(images), labels


def _augment(images: Tensor) -> Tensor:
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    down, right = (int(shift) for shift in torch.randint(0, 3, (2,)))
    shifted = padded[:, :, down : down + 28, right : right + 28]
    mirrored = torch.rand(len(images), 1, 1, 1) < 0.5
    return torch.where(mirrored, shifted.flip(3), shifted)


@torch.no_grad()
def accuracy(judge: Judge) -> float:
    """Return the share of the test split that the judge gets right."""
    images, labels = _tensors("test")
    guesses = torch.cat([judge(part)[0].argmax(dim=1) for part in images.split(1000)])
    return float((guesses == labels).float().mean())


def export(judge: Judge, path: Path) -> None:
    """Write the judge as ONNX, with a free batch size."""
    judge = judge.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = _tensors("test")[0][:2]
    write_onnx(judge, (example,), ("image",), ("logits", "features"), path)
    check_against_torch(judge, [(example,)], path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for judge.onnx")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    judge = train(options.epochs, batch_size=128, seed=options.seed)
    print(f"test accuracy {accuracy(judge):.4f}")
    export(judge, options.out / "judge.onnx")


if __name__ == "__main__":
    main()
