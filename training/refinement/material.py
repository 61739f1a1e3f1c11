"""What a decoder is refined with: real images with their tokens, and tokens that the model itself has drawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tandem.shared.models import Model
from training.dataset import DataSet, shuffled_batches, to_model_range
from training.loop import share_of
from training.release.own_images import drawn_tokens
from training.tokenizer.train import Autoencoder
from training.transformer.tokens import token_sequences

NUM_DRAWN = 30_000
NUM_DRAWN_TO_CHOOSE_BY = 5_000


@dataclass(frozen=True, eq=False)
class Material:
    """What to learn from, or to choose by: images with their labels and tokens, and drawn tokens with theirs."""

    images: Tensor  # [N, C, H, W] uint8
    labels: Tensor  # [N]
    tokens: Tensor  # [N, T]
    drawn_tokens: Tensor  # [M, T]
    drawn_labels: Tensor  # [M]


def load(model: Model, tokenizer: Autoencoder, data: DataSet, folder: Path, effort: float) -> tuple[Material, Material]:
    """Return what to learn from and what to choose by; drawn tokens, a share of NUM_DRAWN, are kept in `folder`.

    Raises ModelError.
    """
    drawn_per_class, chosen_by = (
        share_of(count, effort / data.kind.num_classes) for count in (NUM_DRAWN, NUM_DRAWN_TO_CHOOSE_BY)
    )
    drawn = torch.from_numpy(drawn_tokens(model, drawn_per_class + chosen_by, folder))
    return (
        _material(tokenizer, data.train, drawn[:, :drawn_per_class]),
        _material(tokenizer, data.validation, drawn[:, drawn_per_class:]),
    )


def _material(tokenizer: Autoencoder, split: tuple[Tensor, Tensor], drawn: Tensor) -> Material:
    images, labels = split
    drawn_labels = torch.arange(len(drawn)).repeat_interleave(drawn.shape[1])
    return Material(images, labels, token_sequences(tokenizer, split)[:, 1:], drawn.flatten(0, 1), drawn_labels)


def batches(material: Material, batch_size: int, seed: int, first_step: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield images [2 B, C, H, W] in -1..1, their labels [2 B], the tokens [B, T] of the first half of them, and as
    many drawn tokens [B, T] with their labels [B].
    """
    images = shuffled_batches(len(material.images), 2 * batch_size, seed, first_step)
    drawn = shuffled_batches(len(material.drawn_tokens), batch_size, seed + 1, first_step)
    for chosen, own in zip(images, drawn, strict=True):
        image = to_model_range(material.images[chosen]).contiguous(memory_format=torch.channels_last)
        tokens = material.tokens[chosen[:batch_size]]
        yield image, material.labels[chosen], tokens, material.drawn_tokens[own], material.drawn_labels[own]
