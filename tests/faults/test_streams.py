"""Streams whose callers do not read them, reset them at once, or half-close them before their message is whole."""

import asyncio
from collections.abc import Sequence

import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.effort import Effort
from tests.faults.attacks.connection import Connection, connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed, reset_rapidly
from tests.faults.attacks.reflected import Method, reflected_methods
from tests.faults.clients import GENERATE, SAMPLE_STREAM, images, picture
from tests.faults.figures import Watch, expect_files
from tests.faults.history import History
from tests.faults.product import Product
from tests.faults.report import Sheet

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
    async with watch.attack(which, row) as attacked, connected(attacked.server.address, window) as connection:
        numbers = [await begin(connection, path, message) for _ in range(count)]
        if kind == "slow":
            await _read_slowly(connection, numbers, effort.of(5, 200))
        else:
            await asyncio.sleep(effort.of(0.5, 10.0))
        _note(connection, numbers, path, attacked.history)


async def _read_slowly(connection: Connection, numbers: Sequence[int], num_rounds: int) -> None:
    for _ in range(num_rounds):
        for number in numbers:
            # Before anything has come there is nothing to make room for: Envoy takes that for a flood of frames.
            if connection.stream(number).num_bytes:
                await connection.grant(SLOW_BYTES, number)
        await asyncio.sleep(0.05)


def _note(connection: Connection, numbers: Sequence[int], path: str, history: History) -> None:
    """Note each call as it stands when its caller leaves: ended with a status, or not."""
    for number in numbers:
        stream = connection.stream(number)
        if stream.status is None:
            history.note_left(path, was_heard=stream.num_bytes > 0)
        else:
            history.note(path, stream.status_name)


RESET = {
    GENERATE: picture(1, n=4).SerializeToString(),
    SAMPLE_STREAM: gan_pb2.SampleStreamRequest(sample=images(500)).SerializeToString(),
}
NUM_ROUNDS = 5  # of two connections each
ATTACKED = [("gateway", GENERATE), ("gateway", SAMPLE_STREAM), ("sequential", GENERATE), ("parallel", SAMPLE_STREAM)]


@pytest.mark.parametrize(("which", "path"), ATTACKED)
async def test_rapid_resets_hold_nobody_up(which: str, path: str, watch: Watch, effort: Effort) -> None:
    """Streams opened and reset at once, half of them with their whole message, and a good client beside them."""
    count, row = effort.of(200, 10_000), f"rapid reset of {path.rpartition('/')[2]}, {which}"
    async with watch.attack(which, row, max_mib=None) as attacked:
        for message in (None, RESET[path]) * NUM_ROUNDS:
            async with connected(attacked.server.address) as connection:
                num_sent = await reset_rapidly(connection, path, message, count // (2 * NUM_ROUNDS))
            attacked.history.unheard[path] += num_sent


LIMIT_SECONDS = 60.0
WHOLE = framed(b"x" * 100)
# What is sent behind the headers; None: nothing, not even an empty frame.
BODIES: tuple[bytes | None, ...] = (None, b"", WHOLE[:3], WHOLE[:50])
HANGS, NO_STATUS = "hangs", "no status"
# What grpc and this project call a request without a message; a stream of requests may be empty.
EXPECTED = ("INVALID_ARGUMENT", "OK")


@pytest.mark.parametrize("which", ["gateway", "sequential", "parallel"])
async def test_half_closed_calls_end(which: str, product: Product, effort: Effort, sheet: Sheet) -> None:
    """END_STREAM where the message should be, or in the middle of it, on every method that reflection lists, health
    and reflection included."""
    server, row = getattr(product, which), f"half-closed calls, {which}"
    history, before = await product.history_at(server), server.reading()
    calls = [(m, body) for m in await asyncio.to_thread(reflected_methods, server.address) for body in BODIES]
    bad, num_rounds = list[str](), effort.of(2, 25)
    for _ in range(num_rounds):
        async with connected(server.address) as connection:
            numbers = [await _open(connection, method, body) for method, body in calls]
            statuses = await asyncio.gather(*(_status(connection, number) for number in numbers))
        for (method, _), status in zip(calls, statuses, strict=True):
            bad += [f"{method.path} {status}"] if status not in EXPECTED else []
            if method.is_own and status in (HANGS, NO_STATUS):
                history.note_left(method.path, was_heard=False)
            elif method.is_own:
                history.note(method.path, status)
    unit = f"calls without a status, or with a strange one: {', '.join(sorted(set(bad))) or 'none'}"
    sheet.expect_none(row, bad, f"of {num_rounds * len(calls)} {unit}")
    await expect_files(sheet, row, server, before)
    await history.counters_equal()


async def _open(connection: Connection, method: Method, body: bytes | None) -> int:
    number = connection.open_stream(call_headers(method.path), end_stream=body is None)
    await (connection.flush() if body is None else connection.send(number, body))
    return number


async def _status(connection: Connection, number: int) -> str:
    try:
        return (await connection.answer(number, LIMIT_SECONDS)).status_name
    except TimeoutError:
        return HANGS
