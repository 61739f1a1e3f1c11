"""Fashion-MNIST as sequences of tokens: the class first, then the 49 tokens of the frozen tokenizer."""

import torch
from torch import Tensor

from tandem.measure.quality.fashion_mnist import NUM_CLASSES
from training.dataset import SplitName, load_tensors, to_model_range
from training.loop import device
from training.tokenizer.networks import NUM_CODES, quantise, to_tokens
from training.tokenizer.train import Autoencoder

FIRST_CLASS_TOKEN = NUM_CODES
VOCAB_SIZE = NUM_CODES + NUM_CLASSES


@torch.no_grad()
def token_sequences(tokenizer: Autoencoder, split: SplitName) -> Tensor:
    """Return [N, 1 + NUM_TOKENS] token ids of a split of the data."""
    images, labels = load_tensors(split)
    parts = [to_tokens(quantise(tokenizer.encoder(to_model_range(p).to(device())))).cpu() for p in images.split(1000)]
    return torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, torch.cat(parts)], dim=1)
