"""The compiled reader takes plain requests alone, and reads of them what the methods would."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.http2.events import Flag, Kind
from runtime.http2.metadata import decoded
from runtime.rpc.arrival import ARRIVED_METADATA, arrival_wait_seconds
from runtime.rpc.caller import Owner, caller_of, peer_of
from runtime.rpc.traceparent import sampled_trace_id
from services.gan.api.quick.calls import QuickCalls
from services.gan.native.library import gan_library
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument

PATH = "/tandem.gan.v1.GanService/Sample"
HEAD = struct.Struct("<IBBHQdII")
WHOLE = Flag.HAS_MESSAGE | Flag.IS_HALF_CLOSED
NOW = 2e9
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


def record(message=b"", metadata=(), call_id=7, kind=Kind.CALL, flags=WHOLE, path=PATH, deadline=math.inf) -> bytes:
    """One record as records.h lays it out."""
    told = "".join(f"{key}\0{value}\0" for key, value in metadata).encode("latin-1")
    named = path.encode()
    size = HEAD.size + len(named) + len(told) + len(message)
    return HEAD.pack(size, kind, flags, len(named), call_id, deadline, len(told), len(message)) + named + told + message


def message(**fields) -> bytes:
    return gan_pb2.SampleRequest(**fields).SerializeToString()


@pytest.fixture(scope="module")
def calls() -> QuickCalls:
    return QuickCalls(gan_library(), PATH)


def only(calls: QuickCalls, *arguments, **options):
    found = list(calls.found(record(*arguments, **options)))
    assert len(found) <= 1
    return found[0] if found else None


def test_a_plain_request_is_read(calls):
    metadata = [
        ("user-agent", "grpc-c++/1.51"),
        ("tandem-peer", "10.0.0.7:4711"),
        ("tandem-caller", "alice"),
        ("x-request-id", "an-id"),
        (ARRIVED_METADATA, "1999999999.25"),
        ("traceparent", TRACE + "00"),
    ]
    found = only(calls, message(model="tiny", count=24, seed=2**64 - 1, labels=[3]), metadata, deadline=12.5)
    assert (found.call_id, found.deadline, found.arrived) == (7, 12.5, 1999999999.25)
    assert (found.num_images, found.seed, found.label, found.model) == (24, 2**64 - 1, 3, b"tiny")
    assert (found.owner, found.request_id) == ("alice", "an-id")


def test_what_is_not_said_is_none(calls):
    found = only(calls)
    assert (found.seed, found.label, found.model, found.owner, found.request_id) == (None, None, b"", "", "")
    assert (found.deadline, found.arrived, found.num_images) == (math.inf, 0.0, 1)
    assert only(calls, message(seed=0)).seed == 0
    assert only(calls, message(labels=[0])).label == 0


@pytest.mark.parametrize(
    "other",
    [
        message(count=0),
        message(count=-1),
        b"\x10\x82\x80\x80\x80\x10",  # a count that has more than 32 bits
        message(labels=[1, 2]),
        message(labels=[-1]),
        message(truncation=0.7),
        message(latents={"values": [1.0]}),
        message(encoding=2),
        message(encoding=3),
        message() + b"\x40\x01",  # a field that is not known
        message(seed=5)[:-1],
        b"\x0a\x05abc",
        b"\x20" + b"\xff" * 10 + b"\x01",
    ],
)
def test_any_other_message_is_left(calls, other):
    assert only(calls, other) is None


@pytest.mark.parametrize(
    "metadata",
    [
        [("tandem-caller", "alice"), ("tandem-caller", "bob")],
        [("tandem-caller", "a b")],
        [("tandem-caller", "")],
        [("tandem-caller", "a" * 65)],
        [("tandem-peer", "nobody")],
        [("tandem-peer", "10.0.0.7:4711"), ("tandem-peer", "10.0.0.8:4711")],
        [(ARRIVED_METADATA, "soon")],
        [(ARRIVED_METADATA, "1e3")],
        [(ARRIVED_METADATA, "1.0"), (ARRIVED_METADATA, "2.0")],
        [("x-request-id", "a"), ("x-request-id", "b")],
        [("traceparent", TRACE + "01")],
        [("traceparent", "01" + TRACE[2:] + "00")],
        [("traceparent", "")],
    ],
)
def test_unusual_metadata_is_left(calls, metadata):
    assert only(calls, metadata=metadata) is None


@pytest.mark.parametrize(
    "options",
    [
        {"flags": Flag.HAS_MESSAGE},
        {"flags": Flag.IS_HALF_CLOSED},
        {"flags": WHOLE | Flag.IS_TOO_LARGE},
        {"kind": Kind.MESSAGE},
        {"kind": Kind.CANCELLED},
        {"path": PATH + "Stream"},
        {"path": PATH[:-1]},
    ],
)
def test_other_records_are_left(calls, options):
    assert only(calls, **options) is None


def test_calls_among_others_are_found_where_they_stand(calls):
    parts = [
        record(message(seed=1), call_id=1),
        record(message(labels=[1, 2]), call_id=2),
        record(message(seed=3), call_id=3),
    ]
    records = b"".join(parts)
    found = list(calls.found(records))
    assert [(each.call_id, each.seed) for each in found] == [(1, 1), (3, 3)]
    assert [records[each.record] for each in found] == [parts[0], parts[2]]


KEYS = ["tandem-caller", "tandem-peer", ARRIVED_METADATA, "traceparent", "x-request-id", "te"]
VALUES = ["", "alice", "a_b-9", "10.0.0.7:4711", "[::1]:80", "[fe80::1%eth0]:80", "1.5", "1999999990", TRACE + "00"]


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES) | st.text("01.:[]a-", max_size=8)), max_size=5)
)
def test_whatever_is_taken_is_read_as_the_methods_read_it(calls, metadata):
    found = only(calls, metadata=metadata)
    if found is None:
        return
    entries = decoded("".join(f"{key}\0{value}\0" for key, value in metadata).encode())
    assert found.owner == Owner.of(caller_of(entries), peer_of(entries))
    assert found.owner.connection == peer_of(entries)
    assert sampled_trace_id(entries) == ""
    wait = arrival_wait_seconds(entries, NOW)
    assert wait == (min(max(0.0, NOW - found.arrived), 600.0) if found.arrived else 0.0)
    assert found.request_id == next((value for key, value in entries if key == "x-request-id"), "")


@given(st.binary(max_size=24))
def test_whatever_message_is_taken_says_what_protobuf_reads(calls, raw):
    found = only(calls, raw)
    if found is None:
        return
    request = gan_pb2.SampleRequest.FromString(raw)
    assert (request.count if request.HasField("count") else 1) == found.num_images
    assert list(request.labels) == ([] if found.label is None else [found.label])
    assert (request.seed if request.HasField("seed") else None) == found.seed
    assert request.model.encode() == found.model
    assert request.encoding in (0, 1)
    assert not request.HasField("truncation")
    assert not request.HasField("latents")


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_a_caller_without_messages_costs_nobody(calls, messages):
    records = b"".join(record(each) for each in messages)
    list(calls.found(records))


def test_an_owner_that_is_no_identifier_is_refused_by_the_method():
    with pytest.raises(InvalidArgument):
        caller_of([("tandem-caller", "a b")])
