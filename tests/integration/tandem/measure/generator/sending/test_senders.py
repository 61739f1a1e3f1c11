"""Both senders before the same servers: every request ends once, as it should, with its times and what was kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import grpc
import numpy as np
import pytest

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.measure.generator.requests.reading import READINGS
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
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


def numbers(seen):
    return sorted(seen.rows["number"].tolist())


async def test_replies_come_back_whole_and_to_their_own_request(kind):
    messages = [random.Random(size).randbytes(size) for size in (0, 1, 5, 70_000, 3 << 20)] * 6
    any_size = {"max_receive_message_length": -1, "max_send_message_length": -1}
    async with serving(echo, **any_size) as address, connected(kind, address) as sender:
        seen = await sent(sender, [replace(UNARY, columns=(WHOLE_MESSAGE,))], messages, closed_loop())
    assert numbers(seen) == list(range(len(messages)))
    assert set(seen.rows["code"]) == {0}
    for row in seen.kept:
        begin, end = row["begin"], row["begin"] + row["size"]
        assert seen.kept_bytes[begin:end].tobytes() == messages[row["number"]]
    rows = seen.rows
    assert np.all(rows["intended"] <= rows["sent"])
    assert np.all(rows["sent"] <= rows["first_output"])
    assert np.all(rows["first_output"] <= rows["ended"])


async def test_each_message_of_a_stream_has_its_time(kind):
    async def stream(request, context):
        for number in range(5):
            await asyncio.sleep(0.02)
            yield bytes(number * 10_000)

    async with serving(stream=stream) as address, connected(kind, address) as sender:
        seen = await sent(sender, [STREAM], [b""] * 8, closed_loop())
    assert seen.rows["num_messages"].tolist() == [5] * 8
    gaps: list[float] = []
    for number in range(8):
        own = seen.messages[seen.messages["number"] == number]
        assert own["size"].tolist() == [0, 10_000, 20_000, 30_000, 40_000]
        gaps += np.diff(own["at"]).tolist()
    assert min(gaps) >= 0.0
    assert np.median(gaps) > 0.0  # where this process stood still, two messages are read at once


async def test_what_is_read_of_replies_is_what_protobuf_reads(kind):
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

    reading = READINGS["Complete"]
    async with serving(unary) as address, connected(kind, address) as sender:
        messages = [b"%d" % number for number in range(300)]
        seen = await sent(sender, [replace(UNARY, columns=reading.columns)], messages, closed_loop())
    is_here, values = seen.of_route(0, [len(reading.columns)])
    read = reading.read(values)
    num_good = 0
    for place, row in enumerate(seen.rows[is_here]):
        expected = parsed(replies[row["number"]])
        if expected is None or row["code"] != 0:
            continue
        num_good += 1
        found = (read.num_outputs[place], read.num_images[place], *read.reported[place])
        np.testing.assert_array_equal(np.array(found, float), np.array(expected, float))
    assert num_good > 180
    wrong = [row for row in seen.rows if row["code"] != 0]
    assert all(row["code"] == grpc.StatusCode.INTERNAL.value[0] for row in wrong)
    assert all(parsed(replies[row["number"]]) is None for row in wrong)
    assert len(wrong) > 10


def random_reply(chance: random.Random) -> ar_pb2.CompleteResponse:
    choices = [
        ar_pb2.GenerateResponse(
            token_ids=[chance.randrange(2**31) for _ in range(chance.randrange(6))],
            text_delta="x" * chance.randrange(300),
            image=images_pb2.ImageBatch(shape=[1, 2, 2, 1], data=bytes(4)) if chance.random() < 0.5 else None,
        )
        for _ in range(chance.randrange(3))
    ]
    names = [field.name for field in Timings.DESCRIPTOR.fields if chance.random() < 0.7]
    timings = Timings(**{name: chance.random() for name in names}) if chance.random() < 0.8 else None
    return ar_pb2.CompleteResponse(choices=choices, timings=timings)


def parsed(raw: bytes) -> tuple[float, ...] | None:
    try:
        message = ar_pb2.CompleteResponse.FromString(raw)
    except Exception:
        return None
    told = [getattr(message.timings, field.name) for field in Timings.DESCRIPTOR.fields]
    if not message.HasField("timings"):
        told = [float("nan")] * len(told)
    num_tokens = sum(len(choice.token_ids) for choice in message.choices)
    return (num_tokens, sum(choice.HasField("image") for choice in message.choices), *told)


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


async def test_packed_and_single_numbers_are_counted_alike(kind):
    reading = READINGS["Generate"]
    packed = ar_pb2.GenerateResponse(token_ids=[1, 300, 70_000], finish_reason=ar_pb2.FINISH_REASON_LENGTH)
    (field,) = [field for field in packed.DESCRIPTOR.fields if field.name == "token_ids"]
    single = b"".join(bytes([field.number << 3, value]) for value in (1, 2, 3))

    async def unary(request, context):
        return packed.SerializeToString() if request == b"packed" else single

    async with serving(unary) as address, connected(kind, address) as sender:
        route = replace(UNARY, columns=reading.columns)
        seen = await sent(sender, [route], [b"packed", b"single"], closed_loop())
    assert reading.read(seen.of_route(0, [len(reading.columns)])[1]).num_outputs.tolist() == [3, 3]
