"""The judge: a small classifier of Fashion-MNIST whose features measure generators. Knows nothing of training."""

from torch import Tensor, nn

from tandem.measure.quality.fashion_mnist import NUM_CLASSES

NUM_FEATURES = 128


class Judge(nn.Module):
    """Images [B, 1, 28, 28] in -1..1 to (logits [B, 10], features [B, 128]); 0.25 M parameters."""

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
        self.logits = nn.Linear(NUM_FEATURES, NUM_CLASSES)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(self.convolutions(image))
        return self.logits(features), features


def _block(inputs: int, outputs: int, kernel: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
