"""Callers that do not read what they asked for, or read it a few bytes at a time."""

import asyncio
from collections.abc import Sequence

import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import begin
from tests.faults.clients import GENERATE, SAMPLE_STREAM, images, picture
from tests.faults.figures import Watch
from tests.faults.history import History

NUM_STREAMS, NUM_LARGE = (20, 50), (8, 20)
SLOW_BYTES = 2048  # at a time


def _drawing(num_images: int) -> bytes:
    """Return a SampleStream of images of 3 kB each."""
    drawing = images(num_images)
    drawing.encoding = images_pb2.ENCODING_RAW_FLOAT32
    return gan_pb2.SampleStreamRequest(sample=drawing, images_per_message=8).SerializeToString()


def _picture() -> bytes:
    """Return a Generate whose reply has an image of 3 kB with each of 49 tokens."""
    request = picture(1)
    request.partial_images, request.image_encoding = True, images_pb2.ENCODING_RAW_FLOAT32
    return request.SerializeToString()


# Together no more than the queues hold, so that nobody is refused: 50 sequences of 64, 3,200 images of 4,096.
REQUESTS = {GENERATE: _picture(), SAMPLE_STREAM: _drawing(64)}
LARGE = _drawing(2_000)  # 6 MB each: an unbounded server would draw and keep all of it
READERS = [
    *(("gateway", path, 20_000, "stalled") for path in (GENERATE, SAMPLE_STREAM)),
    # In quick runs one caller of test_one_caller.py does the like.
    *(pytest.param("gateway", path, 0, "stalled", marks=pytest.mark.faults) for path in (GENERATE, SAMPLE_STREAM)),
    ("sequential", GENERATE, 20_000, "stalled"),
    ("parallel", SAMPLE_STREAM, 20_000, "stalled"),
    *((which, SAMPLE_STREAM, 20_000, "large") for which in ("gateway", "parallel")),
    *(("gateway", path, SLOW_BYTES, "slow") for path in (GENERATE, SAMPLE_STREAM)),
]
ROWS = {
    "stalled": "stalled readers of {rpc}, window {window}, {which}",
    "large": "large streams that stall, {which}",
    "slow": "slow readers of {rpc}, {which}",
}


@pytest.mark.parametrize(("which", "path", "window", "kind"), READERS)
async def test_readers_cost_little(which: str, path: str, window: int, kind: str, watch: Watch, effort: Effort) -> None:
    """50 streams with large replies whose flow control window stays shut, shuts after 20 kB or is opened by 2 kB at a
    time, each in turn, and 20 streams of 6 MB; then the callers leave."""
    row = ROWS[kind].format(rpc=path.rpartition("/")[2], window=window, which=which)
    message, count = (LARGE, effort.of(*NUM_LARGE)) if kind == "large" else (REQUESTS[path], effort.of(*NUM_STREAMS))
    async with (
        watch.attack(which, row) as attacked,
        connected(attacked.server.address, window) as connection,
    ):
        numbers = [await begin(connection, path, message) for _ in range(count)]
        if kind == "slow":
            await _read_slowly(connection, numbers, effort.of(5, 200))
        else:
            await attacked.observed.lasting(effort.of(0.5, 10.0))
        _note(connection, numbers, path, attacked.history)


async def _read_slowly(connection: Connection, numbers: Sequence[int], num_rounds: int) -> None:
    for _ in range(num_rounds):
        for number in numbers:
            # Before anything has come there is nothing to make room for: Envoy takes that for a flood of frames.
            if connection.stream(number).num_bytes:
                await connection.grant(number, SLOW_BYTES)
        await asyncio.sleep(0.05)


def _note(connection: Connection, numbers: Sequence[int], path: str, history: History) -> None:
    """Note each call as it stands when its caller leaves: ended with a status, or not."""
    for number in numbers:
        stream = connection.stream(number)
        if stream.status is None:
            history.note_left(path, was_heard=stream.num_bytes > 0)
        else:
            history.note(path, stream.status_name)
