"""What a server says of the models it has loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SequentialModel:
    """A transformer; `modality` is "text" or "image".

    A text model has no classes, names and tokens_per_image; its `image_shape` (else height, width, channels) and
    `value_range` are empty. `special_token_ids`: those that add nothing to a text.
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
    fingerprint: str = ""
    special_token_ids: tuple[int, ...] = ()
    takes_steps: bool = False
    """Whether images can be generated in fewer steps than they have tokens."""
    default_sampling: Mapping[str, float] = field(default_factory=dict)
    """What the model's authors recommend, by the names of sampling options; holds where a request sets none of them."""
    runtime: str = ""
    """What computes its steps: "native", "torch" or "cuda"; empty if the server does not report it."""
    num_instances: int = 0
    threads_per_instance: int = 0


@dataclass(frozen=True)
class Runtime:
    """What runs a generator: `name` is "onnxruntime" or "openvino", `precision` "float32" or "bfloat16".

    `batch_sizes` are those that passes are compiled for, empty for any. `images_per_second`, by batch size, is what a
    calibration found, empty where there was nothing to choose. `rms_difference` is how far images lie from those of the
    file in float32, as a share of their range.
    """

    name: str
    version: str
    precision: str
    instruction_set: str
    num_instances: int
    threads_per_instance: int
    is_rewritten: bool
    batch_sizes: tuple[int, ...]
    images_per_second: Mapping[int, float]
    rms_difference: float


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
    fingerprint: str = ""
    runtime: Runtime | None = None
    """None if the server does not report it."""


@dataclass(frozen=True)
class Models:
    """Every model behind one address; a paradigm that the address does not serve is empty."""

    sequential: tuple[SequentialModel, ...]
    parallel: tuple[ParallelModel, ...]
