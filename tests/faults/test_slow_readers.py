"""Callers that do not read what they asked for, or read it a few bytes at a time."""

from collections.abc import Sequence

import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import begin
from tests.faults.attacks.peak_memory import PeakMemory
from tests.faults.clients import GENERATE, SAMPLE_STREAM, images, picture
from tests.faults.figures import paths_of, record_files, record_growth, record_observed
from tests.faults.history import History
from tests.faults.neighbour import Neighbour
from tests.faults.product import Product
from tests.faults.report import Record

NUM_STREAMS = 50
NUM_LARGE = 20
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
ATTACKED = [
    *(("gateway", path, window) for path in (GENERATE, SAMPLE_STREAM) for window in (0, 20_000)),
    ("sequential", GENERATE, 20_000),
    ("parallel", SAMPLE_STREAM, 20_000),
]


@pytest.mark.parametrize(("which", "path", "window"), ATTACKED)
async def test_readers_that_stall_cost_little(
    which: str, path: str, window: int, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """50 streams with large replies whose flow control window stays shut, or shuts after 20 kB; then the callers
    leave."""
    server = getattr(product, which)
    history, before = await product.history_at(server), server.reading()
    peaks = {each.name: PeakMemory(each.pid) for each in product.servers}
    async with (
        neighbour.beside(server.address, paths_of(which), history) as observed,
        connected(server.address, window) as connection,
    ):
        numbers = [await begin(connection, path, REQUESTS[path]) for _ in range(NUM_STREAMS)]
        await observed.lasting(effort.of(1.5, 10.0))
        _note(connection, numbers, path, history)
    growth = {name: peak.growth_mib() for name, peak in peaks.items()}
    row = f"stalled readers of {path.rpartition('/')[2]}, window {window}, {which}"
    record_growth(record, row, growth)
    record_observed(record, row, observed)
    await record_files(record, row, server, before)
    await history.counters_equal()


@pytest.mark.parametrize("which", ["gateway", "parallel"])
async def test_large_streams_that_stall_are_not_buffered(
    which: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """20 streams of 6 MB each whose window shuts after 20 kB; then the callers leave."""
    server = getattr(product, which)
    history = await product.history_at(server)
    peaks = {each.name: PeakMemory(each.pid) for each in product.servers}
    async with (
        neighbour.beside(server.address, paths_of(which), history) as observed,
        connected(server.address, 20_000) as connection,
    ):
        numbers = [await begin(connection, SAMPLE_STREAM, _drawing(2_000)) for _ in range(NUM_LARGE)]
        # A time in which an unbounded server would draw and keep all of it.
        await observed.lasting(effort.of(1.5, 10.0))
        _note(connection, numbers, SAMPLE_STREAM, history)
    row = f"large streams that stall, {which}"
    record_growth(record, row, {name: peak.growth_mib() for name, peak in peaks.items()})
    record_observed(record, row, observed)
    await history.counters_equal()


@pytest.mark.parametrize(("which", "path"), [("gateway", GENERATE), ("gateway", SAMPLE_STREAM)])
async def test_readers_that_are_slow_cost_little(
    which: str, path: str, product: Product, neighbour: Neighbour, effort: Effort, record: Record
) -> None:
    """50 streams with large replies, read 2 kB at a time, each in turn; then the callers leave."""
    server = getattr(product, which)
    history = await product.history_at(server)
    peaks = {each.name: PeakMemory(each.pid) for each in product.servers}
    async with (
        neighbour.beside(server.address, paths_of(which), history) as observed,
        connected(server.address, SLOW_BYTES) as connection,
    ):
        numbers = [await begin(connection, path, REQUESTS[path]) for _ in range(NUM_STREAMS)]
        for _ in range(effort.of(15, 200)):
            for number in numbers:
                # Before anything has come there is nothing to make room for: Envoy takes that for a flood of frames.
                if connection.stream(number).num_bytes:
                    await connection.grant(number, SLOW_BYTES)
            await observed.lasting(0.05)
        _note(connection, numbers, path, history)
    row = f"slow readers of {path.rpartition('/')[2]}, {which}"
    record_growth(record, row, {name: peak.growth_mib() for name, peak in peaks.items()})
    record_observed(record, row, observed)
    await history.counters_equal()


def _note(connection: Connection, numbers: Sequence[int], path: str, history: History) -> None:
    """Note each call as it stands when its caller leaves: ended with a status, or not."""
    for number in numbers:
        stream = connection.stream(number)
        if stream.status is None:
            history.note_left(path, was_heard=stream.num_bytes > 0)
        else:
            history.note(path, stream.status_name)
