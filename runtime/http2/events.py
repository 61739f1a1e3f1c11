"""What the server's thread tells: records in a buffer, read one after another. events.h makes them.

Needs only the standard library, as `build` does.
"""

import struct
from collections.abc import Iterator
from ctypes import Structure, c_double, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any, NamedTuple

HIGH_BACKLOG_BYTES = 256 << 10
"""Above this a writer waits until the client has taken more."""


class RecordHead(Structure):
    """How a record begins; path, metadata and payload follow it. `size`: of all."""

    _fields_ = [
        ("size", c_uint32),
        ("kind", c_uint8),
        ("flags", c_uint8),
        ("path_size", c_uint16),
        ("call", c_uint64),
        ("deadline", c_double),
        ("metadata_size", c_uint32),
        ("payload_size", c_uint32),
    ]


_FIELDS: Any = RecordHead._fields_
_HEAD = struct.Struct("@" + "".join(kind._type_ for _, kind in _FIELDS))


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
