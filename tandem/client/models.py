"""What a server says of the models it has loaded, and of the time that a call took."""

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
    """Whether several tokens can be generated a step: images by `steps`, texts by `tokens_per_step`."""
    default_sampling: Mapping[str, float] = field(default_factory=dict)
    """What the model's authors recommend, by the names of sampling options; holds where a request sets none of them."""
    runtime: str = ""
    """What computes its steps: "native", "torch" or "cuda"; empty if the server does not report it."""
    num_instances: int = 0
    threads_per_instance: int = 0
    window_tokens: int = 0
    """The most tokens of an output, of a text model that writes in an order of its own; else 0."""


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


@dataclass(frozen=True)
class Timings:
    """The backend's own account of a request, in seconds; phases that the paradigm does not have are 0.

    The account begins with `queue_seconds`, at the request's arrival: at the gateway's proxy, or at the backend where
    that is called alone. What a caller waited beyond `total_seconds` went to the proxy, the network and the caller.
    Sequential: queue, prefill, decode. Parallel: queue, batch_wait, compute. `encode_seconds` is the translation of the
    request into the model's input and of its output into the reply. `mean_batch_size` >= 1: sequences a decode step, or
    images a pass, this request's own included.
    """

    queue_seconds: float = 0.0
    prefill_seconds: float = 0.0
    batch_wait_seconds: float = 0.0
    decode_seconds: float = 0.0
    compute_seconds: float = 0.0
    encode_seconds: float = 0.0
    total_seconds: float = 0.0
    mean_batch_size: float = 1.0
