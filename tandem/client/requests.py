"""From the client's arguments to request messages. Checks only that values fit; the server does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tandem.ar.v1 import ar_pb2
from tandem.client.images import Images
from tandem.client.options import Encoding, GenerateOptions, SampleOptions, SamplingOptions
from tandem.client.prompts import Message, Prompt
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2

ENCODINGS: dict[Encoding, int] = {
    "uint8": images_pb2.ENCODING_RAW_UINT8,
    "float32": images_pb2.ENCODING_RAW_FLOAT32,
    "png": images_pb2.ENCODING_PNG,
}
_SCALARS = SamplingOptions.__annotations__.keys() - {"stop", "stop_token_ids", "logit_bias"}


def generate_request(prompt: Prompt, options: GenerateOptions) -> ar_pb2.GenerateRequest:
    """Raises ValueError if a value does not fit its field."""
    _refuse_unknown(options, GenerateOptions)
    request = ar_pb2.GenerateRequest(model=options.get("model") or "")
    _put_prompt(request, prompt)
    _put_sampling(request.sampling, options)
    top_logprobs = options.get("top_logprobs") or 0
    _put(request, "logprobs", options.get("logprobs", False) or top_logprobs > 0)
    _put(request, "top_logprobs", top_logprobs)
    return request


def score_request(content: str | Sequence[int], model: str) -> ar_pb2.ScoreRequest:
    """Raises ValueError if a value does not fit its field."""
    request = ar_pb2.ScoreRequest(model=model)
    if isinstance(content, str):
        request.text = content
    else:
        _extend(request.tokens, "ids", content)
    return request


def sample_request(count: int, options: SampleOptions) -> gan_pb2.SampleRequest:
    """Raises ValueError if a value does not fit its field, or if both a seed and latents are given."""
    _refuse_unknown(options, SampleOptions)
    request = gan_pb2.SampleRequest(model=options.get("model") or "")
    _put(request, "count", count)
    labels = options.get("labels")
    if labels is not None:
        _extend(request, "labels", np.atleast_1d(labels).tolist())
    _put_source(request, options)
    _put(request, "truncation", options.get("truncation"))
    request.encoding = _encoding(options.get("encoding") or "uint8")
    return request


def sample_stream_request(
    count: int, images_per_message: int | None, options: SampleOptions
) -> gan_pb2.SampleStreamRequest:
    """Raises ValueError like `sample_request`."""
    request = gan_pb2.SampleStreamRequest(sample=sample_request(count, options))
    _put(request, "images_per_message", images_per_message)
    return request


def discriminate_request(
    images: Images | NDArray[Any], labels: int | Sequence[int] | None, model: str
) -> gan_pb2.DiscriminateRequest:
    """`images` is [number, height, width, channels], uint8 or float32. Raises ValueError on another shape or type."""
    pixels = images.pixels if isinstance(images, Images) else images
    if pixels.ndim != 4 or pixels.dtype not in (np.uint8, np.float32):
        raise ValueError(f"images: need 4 dimensions of uint8 or float32, not {pixels.ndim} of {pixels.dtype}")
    if labels is None and isinstance(images, Images):
        labels = images.labels
    encoding = _encoding("uint8" if pixels.dtype == np.uint8 else "float32")
    batch = images_pb2.ImageBatch(shape=pixels.shape, encoding=encoding, data=_little_endian(pixels).tobytes())
    request = gan_pb2.DiscriminateRequest(model=model, images=batch)
    if labels is not None:
        _extend(request, "labels", [labels] * len(pixels) if np.ndim(labels) == 0 else np.asarray(labels).tolist())
    return request


def _put_prompt(request: ar_pb2.GenerateRequest, prompt: Prompt) -> None:
    if isinstance(prompt, str):
        request.text = prompt
    elif isinstance(prompt, int):
        _put(request, "class_label", prompt)
    elif prompt and all(isinstance(item, Message) for item in prompt):
        for message in cast(Sequence[Message], prompt):
            request.chat.messages.add(role=message.role, content=message.content)
    else:
        request.tokens.SetInParent()
        _extend(request.tokens, "ids", cast(Sequence[int], prompt))


def _put_sampling(sampling: ar_pb2.SamplingParams, options: GenerateOptions) -> None:
    for name in _SCALARS:
        _put(sampling, name, options.get(name))
    stop = options.get("stop") or ()
    _extend(sampling, "stop", [stop] if isinstance(stop, str) else stop)
    _extend(sampling, "stop_token_ids", options.get("stop_token_ids") or ())
    for token_id, bias in (options.get("logit_bias") or {}).items():
        try:
            sampling.logit_bias[token_id] = bias
        except (TypeError, ValueError) as error:
            raise ValueError(f"logit_bias: {{{token_id!r}: {bias!r}}}: {error}") from None


def _put_source(request: gan_pb2.SampleRequest, options: SampleOptions) -> None:
    seed, latents = options.get("seed"), options.get("latents")
    if seed is not None and latents is not None:
        raise ValueError("seed and latents: give one of them")
    _put(request, "seed", seed)
    if latents is not None:
        request.latents.SetInParent()
        request.latents.values.extend(np.asarray(latents, np.float32).ravel().tolist())


def _encoding(name: Encoding) -> images_pb2.Encoding:
    if name not in ENCODINGS:
        raise ValueError(f"encoding: {name!r} is none of {', '.join(ENCODINGS)}")
    return cast(images_pb2.Encoding, ENCODINGS[name])


def _little_endian(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)


def _put(message: Any, name: str, value: object) -> None:
    """Set a field unless the value is None."""
    if value is None:
        return
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {value!r}: {error}") from None


def _extend(message: Any, name: str, values: Sequence[object]) -> None:
    try:
        getattr(message, name).extend(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None


def _refuse_unknown(options: GenerateOptions | SampleOptions, known: type) -> None:
    unknown = options.keys() - known.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option {', '.join(sorted(unknown))}; there are {', '.join(known.__annotations__)}")
