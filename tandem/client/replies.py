"""From response messages to the client's plain values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.client.images import ImageBatch, Images, Verdict
from tandem.client.models import ParallelModel, Runtime, SequentialModel, Timings
from tandem.client.requests import ENCODINGS
from tandem.client.text import Alternative, Choice, Completion, FinishReason, GenerateChunk, Score, TokenLogprob, Usage
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2

_FINISH_REASONS: dict[int, FinishReason] = {ar_pb2.FINISH_REASON_STOP: "stop", ar_pb2.FINISH_REASON_LENGTH: "length"}
Plain = TypeVar("Plain")
_ENCODING_NAMES = {number: name for name, number in ENCODINGS.items()}


def generate_chunk(message: ar_pb2.GenerateResponse) -> GenerateChunk:
    return _plain(
        message,
        GenerateChunk,
        text=message.text_delta,
        logprobs=_logprobs(message.logprobs),
        finish_reason=_FINISH_REASONS.get(message.finish_reason),
        usage=_plain(message.usage, Usage) if message.HasField("usage") else None,
        timings=_timings(message),
        image=ImageBatch(**_batch(message.image)) if message.HasField("image") else None,
    )


def completion(message: ar_pb2.CompleteResponse) -> Completion:
    chunks = map(generate_chunk, message.choices)
    choices = (Choice(**{name: getattr(chunk, name) for name in Choice.__dataclass_fields__}) for chunk in chunks)
    return Completion(tuple(choices), _plain(message.usage, Usage), _plain(message.timings, Timings))


def scores(message: ar_pb2.ScoreResponse) -> list[Score]:
    timings = _plain(message.timings, Timings)
    return [_plain(each, Score, tokens=_logprobs(each.tokens), timings=timings) for each in message.likelihoods]


def images(message: gan_pb2.SampleResponse) -> Images:
    return _plain(message, Images, **_batch(message.images), timings=_timings(message))


def verdict(message: gan_pb2.DiscriminateResponse) -> Verdict:
    scores = np.asarray(message.scores, np.float32)
    features = np.asarray(message.features, np.float32).reshape(len(scores), message.feature_dim)
    return Verdict(scores, features, _plain(message.timings, Timings))


def sequential_models(message: ar_pb2.ListModelsResponse) -> tuple[SequentialModel, ...]:
    def sampling(model: ar_pb2.Model) -> dict[str, Any]:
        return {field.name: value for field, value in model.default_sampling.ListFields()}

    return tuple(_plain(model, SequentialModel, default_sampling=sampling(model)) for model in message.models)


def parallel_models(message: gan_pb2.ListModelsResponse) -> tuple[ParallelModel, ...]:
    def runtime(model: gan_pb2.Model) -> Runtime | None:
        speeds = dict(sorted(model.runtime.images_per_second.items()))
        return _plain(model.runtime, Runtime, images_per_second=speeds) if model.HasField("runtime") else None

    return tuple(_plain(model, ParallelModel, runtime=runtime(model)) for model in message.models)


def _plain(message: Any, result: type[Plain], **own: Any) -> Plain:
    """Return a message as a dataclass whose fields have the same names, repeated ones as tuples; `own` are those of its
    fields that are made otherwise.
    """
    names = [name for name in result.__dataclass_fields__ if name not in own]  # type: ignore[attr-defined]
    values = {name: getattr(message, name) for name in names}
    return result(**{name: _tuple_of(value) for name, value in values.items()}, **own)


def _tuple_of(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else value


def _timings(message: Any) -> Timings | None:
    return _plain(message.timings, Timings) if message.HasField("timings") else None


def _batch(message: images_pb2.ImageBatch) -> dict[str, Any]:
    """Return the fields of an ImageBatch."""
    return {
        "shape": tuple(message.shape),
        "encoding": _ENCODING_NAMES.get(message.encoding, "uint8"),
        "data": message.data,
        "png": tuple(message.png),
    }


def _logprobs(messages: Iterable[ar_pb2.TokenLogprob]) -> tuple[TokenLogprob, ...]:
    return tuple(
        _plain(message, TokenLogprob, alternatives=tuple(_plain(other, Alternative) for other in message.alternatives))
        for message in messages
    )
