"""What the server's thread tells: records in a buffer, read one after another. events.h makes them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = struct.Struct("<IBBHQdII")


class Kind:
    """What happened; plain numbers, as enumerations cost more than all else here."""

    CALL = 1
    MESSAGE = 2
    HALF_CLOSED = 3
    CANCELLED = 4
    WRITABLE = 5
    REFUSED = 6


class Flag:
    """What an event brings, bit by bit."""

    HAS_MESSAGE = 1
    IS_HALF_CLOSED = 2
    IS_TOO_LARGE = 4


class Event(NamedTuple):
    """One record. Of a message that is too large, `payload` is its size."""

    kind: int
    flags: int
    call_id: int
    deadline: float  # seconds of the monotonic clock, infinite if the client set none
    path: str
    metadata: bytes  # key, value, key, value, ..., each ended by a null character
    payload: bytes


def events_in(records: bytes) -> Iterator[Event]:
    """Yield the events of a buffer of whole records."""
    at, end, head = 0, len(records), _HEAD.size
    while at < end:
        size, kind, flags, path_size, call_id, deadline, metadata_size, payload_size = _HEAD.unpack_from(records, at)
        metadata_at = at + head + path_size
        payload_at = metadata_at + metadata_size
        path = records[at + head : metadata_at].decode("latin-1")
        metadata, payload = records[metadata_at:payload_at], records[payload_at : payload_at + payload_size]
        yield Event(kind, flags, call_id, deadline, path, metadata, payload)
        at += size


def num_refused(payload: bytes) -> int:
    """Return how many calls to a path the server's thread has refused of itself since it last told."""
    return int.from_bytes(payload, "little")


def too_large_size(payload: bytes) -> int:
    """Return how many bytes a message was to have that is too large."""
    return int.from_bytes(payload, "little")
