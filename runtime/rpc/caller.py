"""Who calls, as the gateway says in the metadata of a call.

With API keys: one opaque identifier a key. A backend keeps apart by it what callers must not learn of each other, such
as whose prompts are in a cache, and lets callers take turns. Without keys: the peer's address and port, one connection,
for turns alone, as a connection may be shared and one caller may have several. Neither says anything about rights.
Anyone who reaches a backend's port directly can send either: see SECURITY.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from runtime.errors import InvalidArgument

CALLER_METADATA = "tandem-caller"
"""Metadata key, and HTTP header, of the identifier. Only what stands in front of a backend may set it."""

PEER_METADATA = "tandem-peer"
"""Metadata key of the address and port that the request came from, where no identifier is known."""

NOBODY = ""
"""The caller of a call that carries no identifier: all such calls count as one caller's."""

_ACCEPTED = "one value of 1 to 64 characters: letters, digits, _ and -"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
# IPv4, or IPv6 in brackets, perhaps with a zone, and a port. No identifier has a colon, so none is taken for a peer.
_PEER = re.compile(r"([0-9.]{7,15}|\[[0-9A-Fa-f.:]{2,45}(%[A-Za-z0-9_.-]{1,16})?\]):[0-9]{1,5}")


def caller_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the identifier in a call's metadata, `NOBODY` if there is none.

    Raises InvalidArgument for several values and for one that is not an identifier: a value that was put beside the
    real one, or cut to fit, could otherwise make two callers into one.
    """
    values = [value for key, value in metadata if key == CALLER_METADATA]
    if not values:
        return NOBODY
    value = values[0]
    if len(values) > 1 or not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise InvalidArgument(CALLER_METADATA, values if len(values) > 1 else value, _ACCEPTED)
    return value


def peer_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the peer's address and port in a call's metadata; `NOBODY` unless there is just one well-formed value."""
    values = [value for key, value in metadata if key == PEER_METADATA]
    if len(values) != 1 or not isinstance(values[0], str) or not _PEER.fullmatch(values[0]):
        return NOBODY
    return values[0]
