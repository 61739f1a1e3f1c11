"""Legal or nearly legal requests whose arithmetic leaves the numbers that float32 has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.clients import COMPLETE, DISCRIMINATE, SAMPLE, SCORE, picture
from tests.faults.loads import Kind

SHAPE = (28, 28, 1)
LATENT_DIM = 64
HUGE = 3e38
SAMPLING: tuple[dict[str, Any], ...] = (
    {"temperature": 1e-46, "top_p": 0.9},
    {"temperature": 1e-46, "top_k": 5000},
    {"temperature": 1e-46, "min_p": 0.1},
    {"temperature": 5e-324},
    {"repetition_penalty": 1e-46, "top_p": 0.9},
    {"repetition_penalty": 0.01, "temperature": 1e-46, "top_p": 1e-46},
)


def batch(value: float, count: int = 1) -> images_pb2.ImageBatch:
    """Return grey images of one value, as raw floats."""
    data = np.full((count, *SHAPE), value, "<f4").tobytes()
    return images_pb2.ImageBatch(shape=(count, *SHAPE), encoding=images_pb2.ENCODING_RAW_FLOAT32, data=data)


def score(value: float) -> ar_pb2.ScoreRequest:
    """Return a request to score one grey image."""
    return ar_pb2.ScoreRequest(images=ar_pb2.ImageContent(images=batch(value), labels=[1]))


def judge(value: float) -> gan_pb2.DiscriminateRequest:
    """Return a request to judge one grey image."""
    return gan_pb2.DiscriminateRequest(images=batch(value), labels=[1])


def draw(value: float) -> gan_pb2.SampleRequest:
    """Return a request for one image as raw floats, from a latent vector of one value."""
    latents = gan_pb2.Latents(values=[value] * LATENT_DIM)
    return gan_pb2.SampleRequest(count=1, labels=[1], latents=latents, encoding=images_pb2.ENCODING_RAW_FLOAT32)


def odd_picture(number: int) -> ar_pb2.CompleteRequest:
    """Return a request for an image with one of SAMPLING."""
    return ar_pb2.CompleteRequest(generate=picture(number, **SAMPLING[number % len(SAMPLING)]))


_VALUES = (1e38, -HUGE, HUGE, math.inf, math.nan)


def _value(number: int) -> float:
    return _VALUES[number % len(_VALUES)]


GOOD = {
    "sequential": (
        Kind(COMPLETE, lambda number: ar_pb2.CompleteRequest(generate=picture(number))),
        Kind(SCORE, lambda number: score(number % 3 / 4)),
    ),
    "parallel": (
        Kind(SAMPLE, lambda number: draw(number % 3)),
        Kind(DISCRIMINATE, lambda number: judge(number % 3 / 4)),
    ),
}
POISON = {
    "sequential": (Kind(COMPLETE, odd_picture), Kind(SCORE, lambda number: score(_value(number)))),
    "parallel": (
        Kind(SAMPLE, lambda number: draw(_value(number))),
        Kind(DISCRIMINATE, lambda number: judge(_value(number))),
    ),
}
