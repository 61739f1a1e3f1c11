"""What a server says of the models it has loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SequentialModel:
    """A transformer; `modality` is "text" or "image".

    A text model has no classes, names and tokens_per_image; its `image_shape` (else height, width, channels) and
    `value_range` are empty.
    """

    name: str
    modality: str
    licence: str
    num_parameters: int
    max_context_tokens: int
    vocab_size: int
    num_classes: int
    device: str
    dtype: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    tokens_per_image: int
    value_range: tuple[float, ...]
    can_score_images: bool


@dataclass(frozen=True)
class ParallelModel:
    """A generator; `image_shape` is height, width, channels, `providers` are those that really run the model.

    `max_reply_bytes` is what one reply has at most; 0 if the server does not say.
    """

    name: str
    licence: str
    image_shape: tuple[int, ...]
    latent_dim: int
    num_classes: int
    class_names: tuple[str, ...]
    value_range: tuple[float, ...]
    providers: tuple[str, ...]
    max_batch_size: int
    has_discriminator: bool
    max_reply_bytes: int = 0


@dataclass(frozen=True)
class Models:
    """Every model behind one address; a paradigm that the address does not serve is empty."""

    sequential: tuple[SequentialModel, ...]
    parallel: tuple[ParallelModel, ...]
