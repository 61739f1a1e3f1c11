"""Sequences for this model: the class, then the 49 tokens of a released tokenizer in Halton order.

They are those of real images, or those that a released model has drawn.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from runtime.models import Model, ModelError
from services.ar.codecs.token_encoder import TokenEncoder
from services.common.runtimes.onnx_session import choose_providers, open_session
from training.dataset import SplitName, load_tensors, to_model_range
from training.release.own_images import tokens_by_class
from training.set_autoregressive.order import halton_order
from training.tokenizer.networks import NUM_CODES
from training.transformer.tokens import FIRST_CLASS_TOKEN
from training.transformer.tokens import VOCAB_SIZE as NUM_CONTENT_TOKENS

ORDER = halton_order(7, 7)
MASK_TOKEN = NUM_CONTENT_TOKENS
VOCAB_SIZE = NUM_CONTENT_TOKENS + 1
NUM_TOKENS = len(ORDER)
NUM_DRAWN = 32_000  # of each class
SEED = 7  # not that of an evaluation


def token_sequences(tokenizer: Model, split: SplitName) -> Tensor:
    """Return [N, 1 + NUM_TOKENS] token ids of a split of the data, encoded by the ONNX encoder of a released model."""
    image, tokens = tokenizer.spec.image, tokenizer.spec.image_tokens
    if image is None or tokens is None or tokens.encoder is None or tokens.num_codes != NUM_CODES:
        raise ModelError(f"{tokenizer.name}: expected a token encoder of {NUM_CODES} codes")
    session = open_session(tokenizer.path(tokens.encoder), choose_providers("cpu"), 1, "cpu")
    encoder = TokenEncoder(session, image, tokens)
    images, labels = load_tensors(split)
    parts = [encoder.encode(to_model_range(part).permute(0, 2, 3, 1).numpy()) for part in images.split(500)]
    codes = torch.from_numpy(np.concatenate(parts)[:, ORDER])
    return torch.cat([labels.unsqueeze(1) + FIRST_CLASS_TOKEN, codes], dim=1)


def drawn_sequences(model: Model, folder: Path, num_drawn: int = NUM_DRAWN) -> Tensor:
    """Return [C num_drawn, 1 + NUM_TOKENS] token ids of images that a model of next tokens draws; kept in `folder`.

    It has to be the model whose tokenizer makes the tokens of real images. Raises ModelError.
    """
    path = folder / "drawn.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, tokens_by_class(model, num_drawn, SEED))
    drawn = torch.from_numpy(np.load(path)[:, :, ORDER])  # [C, num_drawn, NUM_TOKENS]
    classes = torch.arange(len(drawn)).repeat_interleave(drawn.shape[1])
    return torch.cat([classes.unsqueeze(1) + FIRST_CLASS_TOKEN, drawn.flatten(0, 1)], dim=1)
