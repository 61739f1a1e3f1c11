"""From the client's arguments to request messages. Checks only that values fit; the server does the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tandem.ar.v1 import ar_pb2
from tandem.client.images import ImageBatch, Images
from tandem.client.options import Encoding, GenerateOptions, Message, Prompt, SampleOptions, SamplingOptions
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ExpectedError

ENCODINGS: dict[Encoding, int] = {
    "uint8": images_pb2.ENCODING_RAW_UINT8,
    "float32": images_pb2.ENCODING_RAW_FLOAT32,
    "png": images_pb2.ENCODING_PNG,
}
_CONSTRAINTS = ("json_schema", "json_object", "regex", "lark", "choice")
_SCALARS = SamplingOptions.__annotations__.keys() - {"stop", "stop_token_ids", "logit_bias", *_CONSTRAINTS}


def generate_request(prompt: Prompt | None, options: GenerateOptions) -> ar_pb2.GenerateRequest:
    """Raises ValueError if a value does not fit its field."""
    _refuse_unknown(options, GenerateOptions)
    request = ar_pb2.GenerateRequest()
    _put(request, "model", options.get("model"))
    _put_prompt(request, prompt, options)
    _put_sampling(request.sampling, options)
    top_logprobs = options.get("top_logprobs") or 0
    _put(request, "logprobs", options.get("logprobs", False) or top_logprobs != 0)
    _put(request, "top_logprobs", top_logprobs)
    if (encoding := options.get("image_encoding")) is not None:
        request.image_encoding = _encoding("image_encoding", encoding)
    _put(request, "partial_images", options.get("partial_images"))
    return request


def score_request(
    contents: Sequence[str] | Sequence[Sequence[int]], model: str, steps: int | None = None
) -> ar_pb2.ScoreRequest:
    """Raises ValueError if a value does not fit its field."""
    request = ar_pb2.ScoreRequest()
    _put(request, "model", model)
    _put(request, "steps", steps)
    if all(isinstance(content, str) for content in contents):
        request.texts.SetInParent()
        _extend(request.texts, "texts", contents)
        return request
    for content in contents:
        _extend(request.tokens.token_lists.add(), "ids", cast(Sequence[int], content))
    return request


def score_images_request(
    images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None, model: str, steps: int | None = None
) -> ar_pb2.ScoreRequest:
    """Raises ValueError like `discriminate_request`."""
    request = ar_pb2.ScoreRequest(images=ar_pb2.ImageContent(images=_image_batch(images)))
    _put(request, "model", model)
    _put(request, "steps", steps)
    _put_labels(request.images, images, labels)
    return request


def sample_request(count: int, options: SampleOptions) -> gan_pb2.SampleRequest:
    """Raises ValueError if a value does not fit its field, or if both a seed and latents are given."""
    _refuse_unknown(options, SampleOptions)
    request = gan_pb2.SampleRequest()
    _put(request, "model", options.get("model"))
    _put(request, "count", count)
    labels = options.get("labels")
    if labels is not None:
        _extend(request, "labels", np.atleast_1d(labels).tolist())
    _put_source(request, options)
    _put(request, "truncation", options.get("truncation"))
    request.encoding = _encoding("encoding", options.get("encoding") or "uint8")
    return request


def sample_stream_request(
    count: int, images_per_message: int | None, options: SampleOptions
) -> gan_pb2.SampleStreamRequest:
    """Raises ValueError like `sample_request`."""
    request = gan_pb2.SampleStreamRequest(sample=sample_request(count, options))
    _put(request, "images_per_message", images_per_message)
    return request


def discriminate_request(
    images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None, model: str
) -> gan_pb2.DiscriminateRequest:
    """Raises ValueError if the images have another shape or type than [number, height, width(, channels)] of uint8 or
    float32, or if a label does not fit its field."""
    request = gan_pb2.DiscriminateRequest(images=_image_batch(images))
    _put(request, "model", model)
    _put_labels(request, images, labels)
    return request


def _image_batch(images: ImageBatch | NDArray[Any]) -> images_pb2.ImageBatch:
    pixels = images.pixels if isinstance(images, ImageBatch) else np.asarray(images)
    if pixels.ndim not in (3, 4) or pixels.dtype not in (np.uint8, np.float32):
        raise ExpectedError(f"images: need 3 or 4 dimensions of uint8 or float32, not {pixels.ndim} of {pixels.dtype}")
    shape = pixels.shape if pixels.ndim == 4 else (*pixels.shape, 1)
    encoding = ENCODINGS["uint8" if pixels.dtype == np.uint8 else "float32"]
    return images_pb2.ImageBatch(
        shape=shape,
        encoding=cast(images_pb2.Encoding, encoding),
        data=pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes(),
    )


def _put_labels(message: Any, images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None) -> None:
    """Set the labels: one an image, one for all, or those that the images came with."""
    if labels is None and isinstance(images, Images):
        labels = images.labels
    if labels is not None:
        _extend(message, "labels", [labels] * len(images) if np.ndim(labels) == 0 else np.asarray(labels).tolist())


def _put_prompt(request: ar_pb2.GenerateRequest, prompt: Prompt | None, options: GenerateOptions) -> None:
    label, is_raw = options.get("label"), options.get("raw", False)
    if (prompt is None) == (label is None):
        raise ExpectedError("prompt and label: give one of them")
    if is_raw and not isinstance(prompt, str):
        raise ExpectedError("raw: this is for a prompt that is a text")
    if prompt is None:
        _put(request, "class_label", label)
    elif is_raw:
        _put(request, "text", prompt)
    elif isinstance(prompt, str):
        request.chat.messages.add(role="user", content=prompt)
        request.chat.plain_without_template = True
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
            raise ExpectedError(f"logit_bias: {{{token_id!r}: {bias!r}}}: {error}") from None
    _put_constraint(sampling, options)


def _put_constraint(sampling: ar_pb2.SamplingParams, options: GenerateOptions) -> None:
    given = [name for name in _CONSTRAINTS if options.get(name) is not None]
    if len(given) > 1:
        raise ExpectedError(f"{' and '.join(given)}: give one of them")
    schema, choice = options.get("json_schema"), options.get("choice")
    if isinstance(schema, Mapping):
        try:
            schema = json.dumps(schema)
        except (TypeError, ValueError) as error:
            raise ExpectedError(f"json_schema: {error}") from None
    _put(sampling, "json_schema", schema)
    for name in ("json_object", "regex", "lark"):
        _put(sampling, name, options.get(name))
    if choice is not None:
        sampling.choice.SetInParent()
        _extend(sampling.choice, "texts", [choice] if isinstance(choice, str) else choice)


def _put_source(request: gan_pb2.SampleRequest, options: SampleOptions) -> None:
    seed, latents = options.get("seed"), options.get("latents")
    if seed is not None and latents is not None:
        raise ExpectedError("seed and latents: give one of them")
    _put(request, "seed", seed)
    if latents is not None:
        request.latents.SetInParent()
        request.latents.values.extend(np.asarray(latents, np.float32).ravel().tolist())


def _encoding(field: str, name: Encoding) -> images_pb2.Encoding:
    if name not in ENCODINGS:
        raise ExpectedError(f"{field}: {name!r} is none of {', '.join(ENCODINGS)}")
    return cast(images_pb2.Encoding, ENCODINGS[name])


def _put(message: Any, name: str, value: object) -> None:
    """Set a field unless the value is None."""
    if value is None:
        return
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as error:
        field = message.DESCRIPTOR.fields_by_name[name]
        needs_text = field.type == field.TYPE_STRING and not isinstance(value, str)
        why = f"this must be a text, not of type {type(value).__name__}" if needs_text else error
        raise ExpectedError(f"{name}: {value!r}: {why}") from None


def _extend(message: Any, name: str, values: Sequence[object]) -> None:
    try:
        getattr(message, name).extend(values)
    except (TypeError, ValueError) as error:
        raise ExpectedError(f"{name}: {error}") from None


def _refuse_unknown(options: GenerateOptions | SampleOptions, known: type) -> None:
    unknown = options.keys() - known.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option {', '.join(sorted(unknown))}; there are {', '.join(known.__annotations__)}")
