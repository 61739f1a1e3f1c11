"""The judge: a small classifier whose features measure generators. Knows nothing of training."""

from torch import Tensor, nn

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
