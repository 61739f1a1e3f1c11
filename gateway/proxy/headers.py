"""What Envoy does to a request's headers before anything else looks at them."""

from __future__ import annotations

from gateway.proxy.document import Json, extension

TRANSPORT, CALLER, PEER, ARRIVED = "tandem-transport", "tandem-caller", "tandem-peer", "tandem-arrived"
REQUEST_ID = "x-request-id"

# Microseconds since the epoch's seconds, of the moment in which the request's head began to arrive.
_ARRIVED_AT = "%START_TIME(%s.%6f)%"
# With the port: callers behind one address (a load balancer, one machine) are told apart by their connections.
_PEER_ADDRESS = "%DOWNSTREAM_REMOTE_ADDRESS%"


def early_mutations(transport: str | None, is_trusted: bool, with_peer: bool) -> Json:
    """Return an extension that makes the product's own headers true.

    A stranger's are removed: he is not who he says he is, nor may he choose a request's name or say how Envoy treats
    it (x-envoy-*). With `is_trusted` the sender is the gateway's own HTTP server, which says whose call it is and from
    where. Without a `transport` the header is left out.
    """
    mutations = [] if is_trusted else [_remove(CALLER), _remove(PEER)]
    mutations += [_remove(TRANSPORT), _remove(REQUEST_ID), _remove_prefix("x-envoy-"), _set(ARRIVED, _ARRIVED_AT)]
    mutations += [_set(TRANSPORT, transport)] if transport else []
    mutations += [_set(PEER, _PEER_ADDRESS)] if with_peer else []
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=mutations,
    )


def _remove(name: str) -> Json:
    return {"remove": name}


def _remove_prefix(prefix: str) -> Json:
    return {"remove_on_match": {"key_matcher": {"prefix": prefix}}}


def _set(name: str, value: str) -> Json:
    return {"append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
