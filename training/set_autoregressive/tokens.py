"""Sequences for this model: the class, then the tokens of a released tokenizer in Halton order.

They are those of real images, or those that a released model has drawn. Of the order see Besnier et al. 2025, arXiv
2503.17076: cells that follow one another lie far apart, so tokens that one step generates together depend little on
each other.
"""

from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from services.ar.codecs.image_networks import TokenEncoder
from services.common.runtimes.onnx_session import open_session
from tandem.shared.models import Model, ModelError
from training.dataset import to_model_range
from training.image_kind import ImageKind
from training.release.own_images import drawn_tokens
from training.tokenizer.networks import FIRST_CLASS_TOKEN, NUM_CODES

NUM_DRAWN = 320_000


def halton_order(height: int, width: int) -> list[int]:
    """Return the cells of a grid, numbered row by row, in the order of the 2-D Halton sequence of bases 2 and 3."""
    order: dict[int, None] = {}
    for index in count(1):
        row, column = int(radical_inverse(index, 2) * height), int(radical_inverse(index, 3) * width)
        order[row * width + column] = None
        if len(order) == height * width:
            return list(order)
    raise AssertionError("a Halton sequence has no end")


def radical_inverse(index: int, base: int) -> float:
    """Return the digits of `index` in `base`, mirrored at the point: 0 to less than 1."""
    value, scale = 0.0, 1.0
    while index:
        index, digit = divmod(index, base)
        scale /= base
        value += digit * scale
    return value


def mask_token(kind: ImageKind) -> int:
    """Return the token MASK: the one behind those of the codes and classes."""
    return FIRST_CLASS_TOKEN + kind.num_classes


def token_sequences(tokenizer: Model, split: tuple[Tensor, Tensor]) -> Tensor:
    """Return [N, 1 + T] token ids of a split of the data, encoded by the ONNX encoder of a released model."""
    image, tokens = tokenizer.spec.image, tokenizer.spec.image_tokens
    if image is None or tokens is None or tokens.encoder is None or tokens.num_codes != NUM_CODES:
        raise ModelError(f"{tokenizer.name}: expected a token encoder of {NUM_CODES} codes")
    session = open_session(tokenizer.path(tokens.encoder))
    encoder = TokenEncoder(session, image, tokens)
    images, labels = split
    parts = [encoder.encode(to_model_range(part).permute(0, 2, 3, 1).numpy()) for part in images.split(500)]
    codes = torch.from_numpy(np.concatenate(parts)[:, halton_order(*tokens.grid)])
    return torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, codes], dim=1)


def drawn_sequences(model: Model, folder: Path, num_drawn: int) -> Tensor:
    """Return [C num_drawn, 1 + T] token ids of images that a model of next tokens draws; kept in `folder`.

    It has to be the model whose tokenizer makes the tokens of real images. Raises ModelError.
    """
    tokens = drawn_tokens(model, num_drawn, folder)
    assert model.spec.image_tokens is not None
    order = halton_order(*model.spec.image_tokens.grid)
    drawn = torch.from_numpy(tokens[:, :, order])  # [C, num_drawn, T]
    classes = torch.arange(len(drawn)).repeat_interleave(drawn.shape[1])
    return torch.cat([classes.unsqueeze(1) + FIRST_CLASS_TOKEN, drawn.flatten(0, 1)], dim=1)
