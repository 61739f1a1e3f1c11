"""From response messages to the client's plain values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.client.images import ImageBatch, Images, Verdict
from tandem.client.models import ParallelModel, Runtime, SequentialModel, Timings
from tandem.client.requests import ENCODINGS
from tandem.client.text import Alternative, Choice, Completion, FinishReason, GenerateChunk, Score, TokenLogprob, Usage
from tandem.common.v1 import images_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2

_FINISH_REASONS: dict[int, FinishReason] = {
    ar_pb2.FINISH_REASON_STOP: "stop",
    ar_pb2.FINISH_REASON_LENGTH: "length",
}
_ENCODING_NAMES = {number: name for name, number in ENCODINGS.items()}


def timings(message: timings_pb2.Timings) -> Timings:
    return Timings(**{field: getattr(message, field) for field in Timings.__dataclass_fields__})


def generate_chunk(message: ar_pb2.GenerateResponse) -> GenerateChunk:
    return GenerateChunk(
        choice_index=message.choice_index,
        token_ids=tuple(message.token_ids),
        text=message.text_delta,
        logprobs=_logprobs(message.logprobs),
        finish_reason=_FINISH_REASONS.get(message.finish_reason),
        matched_stop=message.matched_stop,
        usage=_usage(message.usage) if message.HasField("usage") else None,
        timings=timings(message.timings) if message.HasField("timings") else None,
        image=ImageBatch(**_batch(message.image)) if message.HasField("image") else None,
    )


def completion(message: ar_pb2.CompleteResponse) -> Completion:
    chunks = map(generate_chunk, message.choices)
    choices = (Choice(**{name: getattr(chunk, name) for name in Choice.__dataclass_fields__}) for chunk in chunks)
    return Completion(tuple(choices), _usage(message.usage), timings(message.timings))


def scores(message: ar_pb2.ScoreResponse) -> list[Score]:
    shared = timings(message.timings)
    return [
        Score(likelihood.total_logprob, likelihood.bits_per_token, _logprobs(likelihood.tokens), shared)
        for likelihood in message.likelihoods
    ]


def images(message: gan_pb2.SampleResponse) -> Images:
    return Images(
        **_batch(message.images),
        labels=tuple(message.labels),
        seed=message.seed,
        first_index=message.first_index,
        fingerprint=message.fingerprint,
        timings=timings(message.timings) if message.HasField("timings") else None,
    )


def verdict(message: gan_pb2.DiscriminateResponse) -> Verdict:
    scores = np.asarray(message.scores, np.float32)
    features = np.asarray(message.features, np.float32).reshape(len(scores), message.feature_dim)
    return Verdict(scores, features, timings(message.timings))


def sequential_models(message: ar_pb2.ListModelsResponse) -> tuple[SequentialModel, ...]:
    return tuple(
        SequentialModel(
            **_fields(model, SequentialModel)
            | {"default_sampling": {field.name: value for field, value in model.default_sampling.ListFields()}}
        )
        for model in message.models
    )


def parallel_models(message: gan_pb2.ListModelsResponse) -> tuple[ParallelModel, ...]:
    def runtime(model: gan_pb2.Model) -> Runtime | None:
        speeds = dict(sorted(model.runtime.images_per_second.items()))
        fields = _fields(model.runtime, Runtime) | {"images_per_second": speeds}
        return Runtime(**fields) if model.HasField("runtime") else None

    return tuple(
        ParallelModel(**_fields(model, ParallelModel) | {"runtime": runtime(model)}) for model in message.models
    )


def _fields(message: Any, result: type) -> dict[str, Any]:
    """Return the message's fields by the names of a dataclass, repeated ones as tuples, messages as they are."""
    values = {name: getattr(message, name) for name in result.__dataclass_fields__}  # type: ignore[attr-defined]
    return {
        name: tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else value
        for name, value in values.items()
    }


def _batch(message: images_pb2.ImageBatch) -> dict[str, Any]:
    """Return the fields of an ImageBatch."""
    return {
        "shape": tuple(message.shape),
        "encoding": _ENCODING_NAMES.get(message.encoding, "uint8"),
        "data": message.data,
        "png": tuple(message.png),
    }


def _usage(message: ar_pb2.Usage) -> Usage:
    return Usage(**_fields(message, Usage))


def _logprobs(messages: Iterable[ar_pb2.TokenLogprob]) -> tuple[TokenLogprob, ...]:
    return tuple(
        TokenLogprob(
            message.token_id,
            message.logprob,
            message.token,
            tuple(Alternative(other.token_id, other.logprob, other.token) for other in message.alternatives),
        )
        for message in messages
    )
