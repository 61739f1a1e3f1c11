"""Valid requests of every RPC, small and quick to answer: what mutations begin with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from PIL import Image

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.attacks.reflected import Method

IMAGE_SHAPE = (28, 28, 1)
LATENT_SIZE = 64


def valid_messages(method: Method, text_model: str | None) -> Sequence[bytes]:
    """Return serialised requests of a method, at least one; of one that nobody described: its empty message."""
    known = [*(_of_text(text_model) if text_model else ()), *_SCORES, *_IMAGES, *_OTHERS]
    named = method.request_class.DESCRIPTOR.full_name
    chosen = [message for message in known if message.DESCRIPTOR.full_name == named]
    return [message.SerializeToString() for message in chosen] or [b""]


def _of_text(model: str) -> list[Message]:
    sampling = ar_pb2.SamplingParams(max_tokens=3, temperature=0.8, top_k=5, top_p=0.9, min_p=0.05, seed=1, stop=["q"])
    plain = ar_pb2.GenerateRequest(model=model, text="one two", sampling=sampling)
    turns = [ar_pb2.ChatMessage(role="system", content="be brief"), ar_pb2.ChatMessage(role="user", content="hi")]
    chat = ar_pb2.GenerateRequest(model=model, chat=ar_pb2.ChatPrompt(messages=turns), sampling=sampling)
    texts = ar_pb2.ScoreRequest(model=model, texts=ar_pb2.TextContent(texts=["one two three", "four five"]))
    whole = [ar_pb2.CompleteRequest(generate=request) for request in (plain, chat)]
    return [plain, chat, texts, *whole]


def _png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)).save(file, "PNG")
    return file.getvalue()


def _batches() -> list[images_pb2.ImageBatch]:
    shape, pixels = (2, *IMAGE_SHAPE), np.arange(2 * 28 * 28) % 256
    return [
        images_pb2.ImageBatch(shape=shape, encoding="ENCODING_RAW_UINT8", data=pixels.astype(np.uint8).tobytes()),
        images_pb2.ImageBatch(
            shape=shape, encoding="ENCODING_RAW_FLOAT32", data=(pixels / 256).astype("<f4").tobytes()
        ),
        images_pb2.ImageBatch(shape=shape, encoding="ENCODING_PNG", png=[_png(), _png()]),
    ]


def _picture(**fields: Any) -> ar_pb2.GenerateRequest:
    sampling = ar_pb2.SamplingParams(max_tokens=4, temperature=0.9, top_k=50, seed=3, n=2, logit_bias={1: 1.0})
    return ar_pb2.GenerateRequest(model="fashion-ar", class_label=3, sampling=sampling, **fields)


_PICTURES = [_picture(logprobs=True, top_logprobs=3), _picture(partial_images=True, image_encoding="ENCODING_PNG")]
_SCORES: list[Message] = [
    ar_pb2.ScoreRequest(model="fashion-ar", images=ar_pb2.ImageContent(images=batch, labels=[1, 2]))
    for batch in _batches()
]
_DRAWINGS = [
    gan_pb2.SampleRequest(count=2, labels=[1, 2], seed=5, truncation=0.8),
    gan_pb2.SampleRequest(count=1, labels=[1], latents=gan_pb2.Latents(values=[0.5] * LATENT_SIZE)),
    gan_pb2.SampleRequest(count=3, encoding="ENCODING_RAW_FLOAT32"),
]
_IMAGES: list[Message] = [
    *_PICTURES,
    *(ar_pb2.CompleteRequest(generate=_picture(logprobs=flag)) for flag in (False, True)),
    *_DRAWINGS,
    *(gan_pb2.SampleStreamRequest(sample=drawing, images_per_message=1) for drawing in _DRAWINGS),
    *(gan_pb2.DiscriminateRequest(images=batch, labels=[1, 2]) for batch in _batches()),
]
_OTHERS: list[Message] = [
    health_pb2.HealthCheckRequest(service="tandem.ar.v1.AutoregressiveService"),
    reflection_pb2.ServerReflectionRequest(list_services="*"),
    reflection_pb2.ServerReflectionRequest(file_containing_symbol="grpc.health.v1.Health"),
    reflection_pb2.ServerReflectionRequest(file_by_filename="tandem/ar/v1/ar.proto"),
]
