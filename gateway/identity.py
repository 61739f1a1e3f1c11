"""Who calls and in which trace, as the gateway passes it on to the backends with calls of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from starlette.datastructures import Headers

from gateway.tracing.request_trace import PARENT_METADATA, context_to_pass_on
from runtime.rpc.metadata import CALLER_METADATA, PEER_METADATA, TRACEPARENT_METADATA, Owner


class Identity(NamedTuple):
    """`caller_id` is the identifier of an API key, empty where none are asked for; `peer` is an address and port.

    `trace` is the caller's trace context, as metadata.
    """

    caller_id: str
    peer: str
    trace: tuple[tuple[str, str], ...] = ()

    @property
    def caller(self) -> str:
        """Who counts as one caller, as backends have it: a key, or else an address."""
        return Owner.of(self.caller_id, self.peer)

    @classmethod
    def of_metadata(cls, metadata: Iterable[tuple[str, str | bytes]]) -> Identity:
        """Return what Envoy has set in the metadata of a call; clients cannot set it."""
        pairs = tuple(metadata)
        found = {key: str(value) for key, value in pairs if key in (CALLER_METADATA, PEER_METADATA)}
        trace = context_to_pass_on(pairs, PARENT_METADATA)
        return cls(found.get(CALLER_METADATA, ""), found.get(PEER_METADATA, ""), trace)

    @classmethod
    def of_headers(cls, caller_id: str, headers: Headers) -> Identity:
        """Return what Envoy has set in the headers of an HTTP request, and the trace context that its caller sent."""
        return cls(caller_id, headers.get(PEER_METADATA, ""), context_to_pass_on(headers.items(), TRACEPARENT_METADATA))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata that identifies a caller to backends, by key and address, and the trace."""
        own = ((CALLER_METADATA, self.caller_id), (PEER_METADATA, self.peer))
        return (*((key, value) for key, value in own if value), *self.trace)
