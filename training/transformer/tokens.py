"""Images as sequences of tokens: the class first, then the tokens of the frozen tokenizer, 49 of Fashion-MNIST's."""

import torch
from torch import Tensor

from training.dataset import to_model_range
from training.loop import device
from training.tokenizer.networks import NUM_CODES, quantise, to_tokens
from training.tokenizer.train import Autoencoder

FIRST_CLASS_TOKEN: int = NUM_CODES


@torch.no_grad()
def token_sequences(tokenizer: Autoencoder, split: tuple[Tensor, Tensor]) -> Tensor:
    """Return [N, 1 + T] token ids of a split of the data: images [N, C, H, W] uint8 and labels [N]."""
    images, labels = split
    parts = [to_tokens(quantise(tokenizer.encoder(to_model_range(p).to(device())))).cpu() for p in images.split(1000)]
    return torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, torch.cat(parts)], dim=1)
