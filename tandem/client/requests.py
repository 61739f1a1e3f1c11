"""From the client's arguments to request messages. Checks only that values fit; the server does the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from google.protobuf.message import Message as ProtobufMessage
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

Request = TypeVar("Request", bound=ProtobufMessage)


def generate_request(prompt: Prompt | None, options: GenerateOptions) -> ar_pb2.GenerateRequest:
    """Raises ValueError if a value does not fit its field."""
    _refuse_unknown(options, GenerateOptions)
    top_logprobs = options.get("top_logprobs") or 0
    request = _fill(
        ar_pb2.GenerateRequest(),
        model=options.get("model"),
        logprobs=options.get("logprobs", False) or top_logprobs != 0,
        top_logprobs=top_logprobs,
        image_encoding=_encoding("image_encoding", options.get("image_encoding")),
        partial_images=options.get("partial_images"),
    )
    _put_map("given_tokens", request.given_tokens, options.get("given_tokens"))
    _put_prompt(request, prompt, options)
    _put_sampling(request.sampling, options)
    return request


def score_request(
    contents: Sequence[str] | Sequence[Sequence[int]], model: str, **how: int | None
) -> ar_pb2.ScoreRequest:
    """`how`: fields of the request. Raises ValueError if a value does not fit its field."""
    request = _fill(ar_pb2.ScoreRequest(), model=model, **how)
    if all(isinstance(content, str) for content in contents):
        request.texts.SetInParent()
        _fill(request.texts, texts=contents)
        return request
    for content in contents:
        _fill(request.tokens.token_lists.add(), ids=content)
    return request


def score_images_request(
    images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None, model: str, steps: int | None = None
) -> ar_pb2.ScoreRequest:
    """Raises ValueError like `discriminate_request`."""
    content = _fill(ar_pb2.ImageContent(images=_image_batch(images)), labels=_labels(images, labels))
    return _fill(ar_pb2.ScoreRequest(images=content), model=model, steps=steps)


def sample_request(count: int, options: SampleOptions) -> gan_pb2.SampleRequest:
    """Raises ValueError if a value does not fit its field, or if both a seed and latents are given."""
    _refuse_unknown(options, SampleOptions)
    labels, seed, latents = options.get("labels"), options.get("seed"), options.get("latents")
    if seed is not None and latents is not None:
        raise ExpectedError("seed and latents: give one of them")
    request = _fill(
        gan_pb2.SampleRequest(),
        model=options.get("model"),
        count=count,
        labels=None if labels is None else np.atleast_1d(labels).tolist(),
        seed=seed,
        truncation=options.get("truncation"),
        encoding=_encoding("encoding", options.get("encoding") or "uint8"),
    )
    if latents is not None:
        request.latents.SetInParent()
        request.latents.values.extend(np.asarray(latents, np.float32).ravel().tolist())
    return request


def sample_stream_request(
    count: int, images_per_message: int | None, options: SampleOptions
) -> gan_pb2.SampleStreamRequest:
    """Raises ValueError like `sample_request`."""
    request = gan_pb2.SampleStreamRequest(sample=sample_request(count, options))
    return _fill(request, images_per_message=images_per_message)


def discriminate_request(
    images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None, model: str
) -> gan_pb2.DiscriminateRequest:
    """Raises ValueError if the images have another shape or type than [number, height, width(, channels)] of uint8 or
    float32, or if a label does not fit its field."""
    request = gan_pb2.DiscriminateRequest(images=_image_batch(images))
    return _fill(request, model=model, labels=_labels(images, labels))


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


def _labels(images: ImageBatch | NDArray[Any], labels: int | Sequence[int] | None) -> list[int] | None:
    """Return a label an image: those that are given, one for all, or those that the images came with."""
    if labels is None and isinstance(images, Images):
        labels = images.labels
    if labels is None:
        return None
    return [cast(int, labels)] * len(images) if np.ndim(labels) == 0 else np.asarray(labels).tolist()


def _put_prompt(request: ar_pb2.GenerateRequest, prompt: Prompt | None, options: GenerateOptions) -> None:
    label, is_raw = options.get("label"), options.get("raw", False)
    if (prompt is None) == (label is None):
        raise ExpectedError("prompt and label: give one of them")
    if is_raw and not isinstance(prompt, str):
        raise ExpectedError("raw: this is for a prompt that is a text")
    if prompt is None:
        _fill(request, class_label=label)
    elif is_raw:
        _fill(request, text=prompt)
    elif isinstance(prompt, str):
        request.chat.messages.add(role="user", content=prompt)
        request.chat.plain_without_template = True
    elif prompt and all(isinstance(item, Message) for item in prompt):
        for message in cast(Sequence[Message], prompt):
            request.chat.messages.add(role=message.role, content=message.content)
    else:
        request.tokens.SetInParent()
        _fill(request.tokens, ids=prompt)


def _put_sampling(sampling: ar_pb2.SamplingParams, options: GenerateOptions) -> None:
    values: dict[str, Any] = {name: options.get(name) for name in SamplingOptions.__annotations__}
    given = [name for name in _CONSTRAINTS if values[name] is not None]
    if len(given) > 1:
        raise ExpectedError(f"{' and '.join(given)}: give one of them")
    if isinstance(values["json_schema"], Mapping):
        try:
            values["json_schema"] = json.dumps(values["json_schema"])
        except (TypeError, ValueError) as error:
            raise ExpectedError(f"json_schema: {error}") from None
    stop, choice = values.pop("stop") or (), values.pop("choice")
    _put_map("logit_bias", sampling.logit_bias, values.pop("logit_bias"))
    _fill(sampling, stop=[stop] if isinstance(stop, str) else stop, **values)
    if choice is not None:
        sampling.choice.SetInParent()
        _fill(sampling.choice, texts=[choice] if isinstance(choice, str) else choice)


def _put_map(field: str, message: Any, values: Mapping[int, float] | None) -> None:
    for key, value in (values or {}).items():
        try:
            message[key] = value
        except (TypeError, ValueError) as error:
            raise ExpectedError(f"{field}: {{{key!r}: {value!r}}}: {error}") from None


def _encoding(field: str, name: Encoding | None) -> int | None:
    if name is not None and name not in ENCODINGS:
        raise ExpectedError(f"{field}: {name!r} is none of {', '.join(ENCODINGS)}")
    return None if name is None else ENCODINGS[name]


def _fill(message: Request, **values: Any) -> Request:
    """Return the message with the fields of these names set, but for those whose value is None."""
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        try:
            if value is not None and field.is_repeated:
                getattr(message, name).extend(value)
            elif value is not None:
                setattr(message, name, value)
        except (TypeError, ValueError) as error:
            if field.is_repeated:
                raise ExpectedError(f"{name}: {error}") from None
            needs_text = field.type == field.TYPE_STRING and not isinstance(value, str)
            why = f"this must be a text, not of type {type(value).__name__}" if needs_text else error
            raise ExpectedError(f"{name}: {value!r}: {why}") from None
    return message


def _refuse_unknown(options: GenerateOptions | SampleOptions, known: type) -> None:
    unknown = options.keys() - known.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option {', '.join(sorted(unknown))}; there are {', '.join(known.__annotations__)}")
