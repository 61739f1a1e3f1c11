"""What the metadata of a call says: who calls, when the request came to the proxy, and which trace it belongs to.

Who calls, with API keys: one opaque identifier a key. A backend keeps apart by it what callers must not learn of each
other, such as whose prompts are in a cache. Besides, each call names its peer, an address and a port, which are one
connection. Callers take turns and have a share each of what is bounded: a key, else an address. Within a caller, its
connections take turns. Neither says anything about rights. Who reaches a backend's port directly can send either: see
SECURITY.md.

When it came: what passes before a handler runs, in sockets and in the server's event loop, cannot be seen from the
handler. The proxy's wall clock is compared with this machine's, so between machines the figure is as good as their
clocks agree. The trace: the header `traceparent` of W3C Trace Context.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from tandem.shared.errors import InvalidArgument

Value: TypeAlias = str | bytes
Metadata: TypeAlias = Mapping[str, Value | tuple[Value, ...]]
"""What came with a call, by its key: one value, or several as a tuple."""

CALLER_METADATA = "tandem-caller"
"""Metadata key, and HTTP header, of the identifier. Only what stands in front of a backend may set it."""

PEER_METADATA = "tandem-peer"
"""Metadata key of the address and port that the request came from."""

NOBODY = ""
"""The caller of a call that carries no identifier: all such calls count as one caller's."""

_ACCEPTED = "one value of 1 to 64 characters: letters, digits, _ and -"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
# IPv4, or IPv6 in brackets, perhaps with a zone, and a port. No identifier has a colon, so none is taken for a peer.
_PEER = re.compile(r"([0-9.]{7,15}|\[[0-9A-Fa-f.:]{2,45}(%[A-Za-z0-9_.-]{1,16})?\]):[0-9]{1,5}")

_MAPPED = re.compile(r"\[::ffff:([0-9.]+)\]")  # IPv4 at a socket of IPv6


class Owner(str):
    """Whose work it is, for turns and shares: the name of a caller. Equal names are one caller's, whatever the peer."""

    __slots__ = ("connection",)
    connection: str
    """The peer, one of the caller's connections; empty if it is not known."""

    def __new__(cls, name: str, connection: str = "") -> Owner:
        own = super().__new__(cls, name)
        own.connection = connection
        return own

    @classmethod
    def of(cls, identifier: str, peer: str) -> Owner:
        """Return the owner with an identifier, else the peer's address."""
        return cls(identifier or peer.rpartition(":")[0], peer)


def connection_of(caller: str) -> str:
    """Return the connection that a caller's name came with; empty if that is not known."""
    return caller.connection if isinstance(caller, Owner) else ""


def metadata_of(entries: Sequence[tuple[str, Value]]) -> Metadata:
    """Return the metadata of a call, which came as keys and values in their order."""
    metadata: dict[str, Value | tuple[Value, ...]] = dict(entries)
    if len(metadata) != len(entries):
        for key in metadata:
            values = tuple(value for its, value in entries if its == key)
            metadata[key] = values if len(values) > 1 else values[0]
    return metadata


def caller_of(metadata: Metadata) -> str:
    """Return the identifier in a call's metadata, `NOBODY` if there is none.

    Raises InvalidArgument for several values and for one that is not an identifier: a value that was put beside the
    real one, or cut to fit, could otherwise make two callers into one.
    """
    value = metadata.get(CALLER_METADATA)
    if value is None:
        return NOBODY
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise InvalidArgument(CALLER_METADATA, list(value) if isinstance(value, tuple) else value, _ACCEPTED)
    return value


def peer_of(metadata: Metadata) -> str:
    """Return the peer's address and port in a call's metadata; `NOBODY` unless there is just one well-formed value."""
    value = metadata.get(PEER_METADATA)
    return value if isinstance(value, str) and _PEER.fullmatch(value) else NOBODY


def peer_entries(entries: Sequence[tuple[str, Value]], peer: str) -> tuple[tuple[str, str], ...]:
    """Return what to add to a call's metadata so that it names its peer, as grpcio calls it: ipv6:%5B::1%5D:80.

    Nothing if it names a caller or a peer already. Programs choose how many connections they have, so those of one
    address are one caller's.
    """
    if any(key in (CALLER_METADATA, PEER_METADATA) for key, _ in entries):
        return ()
    return ((PEER_METADATA, _MAPPED.sub(r"\1", unquote(peer.partition(":")[2]))),)


def owner_of(metadata: Metadata) -> Owner:
    """Return whose work a call is when callers take turns. Raises InvalidArgument."""
    return _owner(metadata.get(CALLER_METADATA), metadata.get(PEER_METADATA))


@lru_cache(maxsize=4096)
def _owner(caller: Value | tuple[Value, ...] | None, peer: Value | tuple[Value, ...] | None) -> Owner:
    identifier = NOBODY if caller is None else caller_of({CALLER_METADATA: caller})
    return Owner.of(identifier, NOBODY if peer is None else peer_of({PEER_METADATA: peer}))


ARRIVED_METADATA = "tandem-arrived"
"""Metadata key: when the request arrived at the proxy, seconds since the epoch with up to nine decimals."""

MAX_WAIT_SECONDS = 600.0

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)


def arrival_wait_seconds(metadata: Metadata, now: float) -> float:
    """Return how long before `now` (wall clock) the request arrived at the proxy, 0 to `MAX_WAIT_SECONDS`.

    It is 0 unless the metadata has exactly one well-formed time that is neither 0 nor in the future.
    """
    value = metadata.get(ARRIVED_METADATA)
    if not isinstance(value, str) or not _SECONDS.fullmatch(value):
        return 0.0
    arrived = float(value)
    return min(max(0.0, now - arrived), MAX_WAIT_SECONDS) if arrived else 0.0


TRACEPARENT_METADATA = "traceparent"
TRACESTATE_METADATA = "tracestate"
"""What tracing systems add of their own; it travels with the other, unread."""

_SAMPLED = 1
# Later versions may add fields; the first four stay as they are.
_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_ONLY_VERSION, _NO_VERSION = "00", "ff"


class TraceParent(NamedTuple):
    """`trace_id` has 32 hexadecimal digits and `span_id`, that of the sender's span, 16; neither is all zeros."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parse_traceparent(header: str) -> TraceParent | None:
    """Return what the header says, None if it is malformed: a trace then begins anew."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_known = version != _NO_VERSION and not (version == _ONLY_VERSION and more)
    if not is_known or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def sampled_trace_id(metadata: Metadata) -> str:
    """Return the trace that a call with this metadata belongs to; empty if there is none that is recorded.

    Several values count as none, because it is unclear which one is meant.
    """
    value = metadata.get(TRACEPARENT_METADATA)
    if not isinstance(value, str):
        return ""
    found = parse_traceparent(value)
    return found.trace_id if found is not None and found.is_sampled else ""
