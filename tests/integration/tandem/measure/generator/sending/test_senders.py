"""Both senders before the same servers: every request ends once, as it should, with its times and what was kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import replace

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.measure.generator.requests.reading import bulk_of
from tandem.measure.generator.sending.tables import End
from tests.integration.tandem.measure.generator.sending.sends import (
    STREAM,
    UNARY,
    closed_loop,
    connected,
    open_loop,
    sent,
    serving,
)

KINDS = ("compiled", "Python")
pytestmark = pytest.mark.parametrize("kind", KINDS)


async def echo(request, context):
    return request


def kept(seen):
    """Return the messages of each request."""
    messages, begin = defaultdict(list), 0
    for number, size in seen.messages[["number", "size"]].tolist():
        messages[number].append(seen.message_bytes[begin : begin + size].tobytes())
        begin += size
    return messages


async def test_replies_come_back_whole_and_to_their_own_request(kind):
    messages = [random.Random(size).randbytes(size) for size in (0, 1, 5, 70_000, 3 << 20)] * 6
    any_size = {"max_receive_message_length": -1, "max_send_message_length": -1}
    async with serving(echo, **any_size) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], messages, closed_loop())
    rows = seen.rows
    assert sorted(rows["number"].tolist()) == list(range(len(messages)))
    assert set(rows["code"]) == {0}
    assert kept(seen) == {number: [message] for number, message in enumerate(messages)}
    assert np.all(rows["intended"] <= rows["sent"])
    at = dict(zip(seen.messages["number"].tolist(), seen.messages["at"].tolist(), strict=True))
    assert all(row["sent"] <= at[row["number"]] <= row["ended"] for row in rows)


async def test_each_message_of_a_stream_has_its_time(kind):
    async def stream(request, context):
        for number in range(5):
            await asyncio.sleep(0.02)
            yield bytes(number * 10_000)

    async with serving(stream=stream) as address, connected(kind, address) as sender:
        seen = await sent(sender, [STREAM], [b""] * 8, closed_loop())
    gaps: list[float] = []
    for number in range(8):
        own = seen.messages[seen.messages["number"] == number]
        assert own["size"].tolist() == [0, 10_000, 20_000, 30_000, 40_000]
        gaps += np.diff(own["at"]).tolist()
    assert min(gaps) >= 0.0
    assert np.median(gaps) > 0.0  # where this process stood still, two messages are read at once


async def test_only_the_pixels_are_left_out_of_what_is_kept(kind):
    """Random replies, some of them no messages at all: against the library's own parser."""
    chance, replies = random.Random(5), {}
    for number in range(300):
        raw = random_reply(chance).SerializeToString()
        if chance.random() < 0.3 and raw:
            place = chance.randrange(len(raw))
            raw = raw[:place] + (chance.randbytes(1) + raw[place + 1 :] if chance.random() < 0.5 else b"")
        replies[number] = raw

    async def unary(request, context):
        return replies[int(request)]

    async with serving(unary) as address, connected(kind, address) as sender:
        messages = [b"%d" % number for number in range(300)]
        seen = await sent(sender, [replace(UNARY, bulk=bulk_of("Complete"))], messages, closed_loop())
    assert set(seen.rows["code"]) == {0}
    found = {number: message for number, (message,) in kept(seen).items()}
    good = {number for number, raw in replies.items() if without_pixels(raw) is not None}
    assert 180 < len(good) < 290
    assert all(without_pixels(found[number]) == without_pixels(replies[number]) for number in good)
    assert all(without_pixels(found[number]) is None for number in replies.keys() - good)
    left_out = [len(replies[number]) - len(found[number]) for number in good]
    assert (max(left_out) > 500) == (kind == "compiled")
    assert sum(map(len, found.values())) == len(seen.message_bytes)


def random_reply(chance: random.Random) -> ar_pb2.CompleteResponse:
    choices = [
        ar_pb2.GenerateResponse(
            token_ids=[chance.randrange(2**31) for _ in range(chance.randrange(6))],
            text_delta="x" * chance.randrange(300),
            image=images_pb2.ImageBatch(shape=[1, 2, 2, 1], data=bytes(400)) if chance.random() < 0.5 else None,
        )
        for _ in range(chance.randrange(3))
    ]
    names = [field.name for field in Timings.DESCRIPTOR.fields if chance.random() < 0.7]
    timings = Timings(**{name: chance.random() for name in names}) if chance.random() < 0.8 else None
    return ar_pb2.CompleteResponse(choices=choices, timings=timings)


def without_pixels(raw: bytes) -> ar_pb2.CompleteResponse | None:
    try:
        message = ar_pb2.CompleteResponse.FromString(raw)
    except DecodeError:
        return None
    for choice in message.choices:
        choice.image.ClearField("data")
    return message


async def test_a_status_comes_with_its_text(kind):
    async def choosy(request, context):
        if request == b"bad":
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full: 100 % ü")
        return request

    async with serving(choosy) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], [b"bad", b"good"] * 20, closed_loop())
    assert Counter(seen.rows["code"].tolist()) == {8: 20, 0: 20}
    assert {seen.texts[row["text"]] for row in seen.rows if row["code"]} == {"full: 100 % ü"}


async def test_a_deadline_ends_a_request_and_the_server_knows_it(kind):
    remaining = []

    async def slow(request, context):
        remaining.append(context.time_remaining())
        await asyncio.sleep(30)
        return request

    async with serving(slow) as address, connected(kind, address) as sender:
        seen = await sent(sender, [replace(UNARY, deadline_seconds=0.2)], [b""] * 8, closed_loop(8))
    assert set(seen.rows["code"]) == {4}
    assert np.all(seen.rows["ended"] - seen.rows["sent"] >= 0.19)
    assert all(0.0 <= each <= 0.25 for each in remaining)  # grpc rounds up


async def test_a_cancel_reaches_the_server(kind):
    cancelled = asyncio.Event()

    async def never(request, context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return request

    async with serving(never) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], [b""] * 4, closed_loop(), cancel_after=0.1)
        async with asyncio.timeout(60):
            await cancelled.wait()
    assert set(seen.rows["end"]) == {End.CANCELLED}
    assert set(seen.rows["code"]) == {1}


async def test_a_key_is_shown(kind):
    keys = []

    async def seen_key(request, context):
        keys.append(dict(context.invocation_metadata())["authorization"])
        return request

    async with serving(seen_key) as address, connected(kind, address) as sender:
        await sent(sender, [UNARY], [b""] * 3, closed_loop())
    assert keys == ["Bearer secret"] * 3


async def test_an_open_loop_keeps_its_times_and_drops_what_is_too_much(kind):
    async def held(request, context):
        while sender.progress().dropped < 8:
            await asyncio.sleep(0.01)
        return request

    intended = [index * 0.01 for index in range(20)]
    async with serving(held) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], [b""] * 20, open_loop(max_outstanding=12), intended)
    assert sorted(seen.rows["intended"]) == pytest.approx(intended[:12])
    assert np.all(seen.rows["sent"] >= seen.rows["intended"])
    assert seen.dropped.tolist() == [8]


async def test_a_stop_cuts_off_what_runs_and_leaves_what_is_not_due(kind):
    arrived = asyncio.Event()

    async def never(request, context):
        arrived.set()
        await asyncio.Event().wait()
        return request

    intended = [0.0, 0.0, *[1000.0] * 5]
    async with serving(never) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], [b""] * 7, open_loop(), intended, until=arrived.wait)
        assert sender.progress().num_taken == len(seen.rows) <= 2
    assert seen.rows["end"].tolist() == [End.CUT_OFF] * len(seen.rows)
    assert seen.dropped.tolist() == [0]


async def test_old_connections_that_the_server_ends_lose_nothing(kind):
    """Servers end connections by age, so that clients meet new replicas."""
    age = {"max_connection_age_ms": 100, "max_connection_age_grace_ms": 5000}
    intended = [index * 0.002 for index in range(1000)]
    async with serving(echo, **age) as address, connected(kind, address) as sender:
        seen = await sent(sender, [UNARY], [b"x"] * 1000, open_loop(), intended)
    assert Counter(seen.rows["code"].tolist()) == {0: 1000}


async def test_a_second_run_begins_anew_on_the_same_connections(kind):
    peers = set()

    async def seen_peer(request, context):
        peers.add(context.peer())
        return request

    async with serving(seen_peer) as address, connected(kind, address) as sender:
        first = await sent(sender, [UNARY], [b"x"] * 20, closed_loop())
        sender.reset()
        second = await sent(sender, [UNARY], [b"x"] * 10, closed_loop())
    assert (len(first.rows), len(second.rows), len(peers)) == (20, 10, 2)
