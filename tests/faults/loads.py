"""The requests that rows put on a server, by paradigm and kind, and steady loads made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tests.faults.clients import COMPLETE, GENERATE, SAMPLE, SAMPLE_STREAM, Client, Ended, closed_loop, images, picture

MAX_CALLS = 200_000
NUM_UNARY, NUM_STREAMS = 16, 8
STREAMED_IMAGES = 100


@dataclass(frozen=True)
class Kind:
    """An RPC and how to make its request from a number."""

    path: str
    request: Callable[[int], Any]

    async def call(self, client: Client, number: int, **options: Any) -> Ended:
        return await client.call(self.path, self.request(number), **options)


@dataclass(frozen=True)
class Paradigm:
    """The unary and the streamed work of one paradigm."""

    name: str
    unary: Kind
    heavy: Kind
    """Unary too, some ten milliseconds of work, so that a client in Python can ask for several times the capacity."""
    stream: Kind
    light: Kind
    """A stream of a client that asks for little."""


def streamed(number: int, num_images: int = STREAMED_IMAGES) -> gan_pb2.SampleStreamRequest:
    """Return a request for images in parallel, eight a message."""
    return gan_pb2.SampleStreamRequest(sample=images(num_images, number), images_per_message=8)


def _complete(number: int, num_pictures: int) -> ar_pb2.CompleteRequest:
    return ar_pb2.CompleteRequest(generate=picture(number, n=num_pictures))


SEQUENTIAL = Paradigm(
    "sequential",
    Kind(COMPLETE, lambda number: _complete(number, 1)),
    Kind(COMPLETE, lambda number: _complete(number, 4)),
    Kind(GENERATE, picture),
    Kind(GENERATE, lambda number: picture(number, max_tokens=4)),
)
PARALLEL = Paradigm(
    "parallel",
    Kind(SAMPLE, lambda number: images(4, number)),
    Kind(SAMPLE, lambda number: images(16, number)),
    Kind(SAMPLE_STREAM, streamed),
    Kind(SAMPLE_STREAM, lambda number: streamed(number, 1)),
)
PARADIGMS = [pytest.param(paradigm, id=paradigm.name) for paradigm in (SEQUENTIAL, PARALLEL)]
PARALLEL_EACH_TIME = [pytest.param(SEQUENTIAL, id="sequential", marks=pytest.mark.faults), PARADIGMS[1]]
"""Both in full runs; in quick ones the parallel backend alone, whose replicas start in a second."""


async def mixed_load(client: Client, paradigm: Paradigm, seconds: float) -> list[Ended]:
    """Keep 16 unary callers and 8 streams under way for so long; return once all calls have ended."""
    kinds = ((paradigm.unary, NUM_UNARY), (paradigm.stream, NUM_STREAMS))
    loops = [
        closed_loop(partial(kind.call, client), num_callers=num_callers, max_calls=MAX_CALLS, max_seconds=seconds)
        for kind, num_callers in kinds
    ]
    unary, streams = await asyncio.gather(*loops)
    return [*unary, *streams]


async def later(seconds: float, act: Callable[[], None]) -> None:
    """Do something in the middle of a load."""
    await asyncio.sleep(seconds)
    act()
