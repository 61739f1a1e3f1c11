"""What goes between the server's thread and Python: records of what happened, in a buffer, and the metadata of calls.

events.h makes the records. Metadata is key, value, key, value, ..., each ended by a null character. Values of keys that
end in -bin are bytes, in base64 on the wire: see the gRPC protocol over HTTP/2.
"""

import base64
import binascii
import struct
from collections.abc import Iterable, Iterator
from ctypes import Structure, c_double, c_uint8, c_uint16, c_uint32, c_uint64
from typing import Any, NamedTuple
from urllib.parse import quote

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
    MESSAGE = 2  # or the end of the request, or both: see Flag
    CANCELLED = 3
    WRITABLE = 4
    REFUSED = 5


class Flag:
    """What an event brings, bit by bit."""

    HAS_MESSAGE = 1
    IS_HALF_CLOSED = 2
    IS_TOO_LARGE = 4


class Event(NamedTuple):
    """One record."""

    kind: int
    flags: int
    call_id: int
    deadline: float  # seconds of the monotonic clock, infinite if the client set none
    path: str
    metadata: bytes  # key, value, key, value, ..., each ended by a null character
    payload: bytes

    @property
    def number(self) -> int:
        """The payload of a message that is too large, its size; or of REFUSED, how many calls since the last one."""
        return int.from_bytes(self.payload, "little")


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


Entry = tuple[str, str | bytes]

# Printable ASCII but the percent sign; the rest is percent-encoded.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def decode_metadata(text: bytes) -> tuple[Entry, ...]:
    """Return the entries of a request; a value that is no base64, where it should be, is left out."""
    parts = text.decode("latin-1").split("\0")
    if b"-bin\0" not in text:
        return tuple(zip(parts[0:-1:2], parts[1::2], strict=True))
    entries: list[Entry] = []
    for key, value in zip(parts[0:-1:2], parts[1::2], strict=True):
        if key.endswith("-bin"):
            entries.extend(_decode_values(key, value))
        else:
            entries.append((key, value))
    return tuple(entries)


def _decode_values(key: str, text: str) -> Iterable[Entry]:
    for each in text.split(","):
        try:
            yield key, base64.b64decode(each.strip() + "=" * (-len(each.strip()) % 4), validate=True)
        except ValueError:  # binascii.Error is one; text that is not ASCII raises ValueError itself
            continue


def trailers(status: int, message: str, entries: Iterable[Entry] = ()) -> bytes:
    """Return the trailers of a call that ends with a status code of gRPC and a message, and has `entries` besides."""
    text = f"grpc-status\0{status}\0"
    if message:
        text += f"grpc-message\0{quote(message, safe=_PLAIN)}\0"
    for key, value in entries:
        text += f"{key}\0{_encode(value)}\0"
    return text.encode("latin-1")


def _encode(value: str | bytes) -> str:
    return value if isinstance(value, str) else binascii.b2a_base64(value, newline=False).decode().rstrip("=")
