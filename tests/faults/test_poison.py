"""Poisonous requests beside good ones: nobody but their caller pays."""

import asyncio
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.finite import first_not_finite
from tests.faults.clients import COMPLETE, DISCRIMINATE, SAMPLE, SCORE, Client, Ended, picture
from tests.faults.history import History
from tests.faults.loads import Kind
from tests.faults.product import backend
from tests.faults.report import Sheet

GOOD_A_POISON = 3
SHAPE = (1, 28, 28, 1)
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


def batch(value: float) -> images_pb2.ImageBatch:
    """Return a grey image of one value, as raw floats."""
    data = np.full(SHAPE, value, "<f4").tobytes()
    return images_pb2.ImageBatch(shape=SHAPE, encoding=images_pb2.ENCODING_RAW_FLOAT32, data=data)


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


def complete(number: int, **sampling: Any) -> ar_pb2.CompleteRequest:
    """Return a request for an image in sequence."""
    return ar_pb2.CompleteRequest(generate=picture(number, **sampling))


_VALUES = (1e38, -HUGE, HUGE, math.inf, math.nan)
GOOD = {
    "sequential": (Kind(COMPLETE, complete), Kind(SCORE, lambda number: score(number % 3 / 4))),
    "parallel": (
        Kind(SAMPLE, lambda number: draw(number % 3)),
        Kind(DISCRIMINATE, lambda number: judge(number % 3 / 4)),
    ),
}
POISON = {
    "sequential": (
        Kind(COMPLETE, lambda number: complete(number, **SAMPLING[number % len(SAMPLING)])),
        Kind(SCORE, lambda number: score(_VALUES[number % len(_VALUES)])),
    ),
    "parallel": (
        Kind(SAMPLE, lambda number: draw(_VALUES[number % len(_VALUES)])),
        Kind(DISCRIMINATE, lambda number: judge(_VALUES[number % len(_VALUES)])),
    ),
}


async def mixed(client: Client, paradigm: str, rounds: int) -> tuple[list[Ended], list[Ended]]:
    """Return how the good and the poisonous calls ended; those of a round are under way together."""
    good: list[Ended] = []
    poisonous: list[Ended] = []
    for number in range(rounds):
        bad = [kind.call(client, number) for kind in POISON[paradigm]]
        fair = [kind.call(client, number + i) for kind in GOOD[paradigm] for i in range(GOOD_A_POISON)]
        ended = await asyncio.gather(*bad, *fair)
        poisonous += ended[: len(bad)]
        good += ended[len(bad) :]
    return good, poisonous


def is_honest(ended: Ended) -> bool:
    """Whether a call was refused by name, or answered with numbers."""
    return ended.code == "INVALID_ARGUMENT" or (ended.is_ok and first_not_finite(ended.last) is None)


@pytest.mark.parametrize("paradigm", ["sequential", "parallel"])
async def test_poison(tmp_path: Path, effort: Effort, sheet: Sheet, paradigm: str) -> None:
    """Extremes of sampling, pixels and latents up to 3e38 and NaN, each beside six good requests, at one backend."""
    row, is_alive = f"poison at the {paradigm} backend", False
    async with backend(tmp_path, paradigm) as server:
        history = await History(server).begin()
        async with Client(server.address, history) as client:
            good, poisonous = await mixed(client, paradigm, effort.of(6, 200))
        lost = [call for call in good if not call.is_ok]
        dishonest = [call for call in poisonous if not is_honest(call)]
        sheet.expect_none(f"{row}: good neighbours lost", lost, f"of {len(good)} calls")
        what = "neither refused by name nor answered with finite numbers"
        sheet.expect_none(f"{row}: {what}", dishonest, f"of {len(poisonous)} calls")
        with suppress(TimeoutError):
            await server.ready()
            is_alive = True
        sheet.expect(f"{row}: the process goes on", is_alive, "alive", bar="1", passed=is_alive)
        if is_alive:
            await history.counters_equal()
