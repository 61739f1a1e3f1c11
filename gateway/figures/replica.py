"""A replica: how Envoy sees it, which models it lists, and the gateway's own connection to it.

A call through the proxy would be counted as a client's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.proxy.admin import ProxiedReplica
from runtime.rpc.routes import list_models_route

logger = logging.getLogger(__name__)

LIST_MODELS_SECONDS = 2.0

_OPTIONS: tuple[tuple[str, int], ...] = (
    # A replica that comes back must be met within a second, not after the default's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A proxy in the environment is for external addresses, not for our own backends.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class Replica:
    """`state` is Envoy's view of it, `models` are its Model messages while it serves. Needs a running event loop.

    With `credentials` the connection uses TLS, and the replica's certificate must be for the name that it was found
    under, or for its address if that is what the settings have.
    """

    def __init__(self, state: ProxiedReplica, credentials: grpc.ChannelCredentials | None) -> None:
        self.state = state
        self.models: Sequence[Any] | None = None
        self.channel = _channel(state, credentials)
        self._is_silent = False

    def __str__(self) -> str:
        return f"{self.state.paradigm} backend at {self.state.address}"

    async def follow(self) -> None:
        """Ask for its models if it serves and they are not known yet; forget them if it no longer serves."""
        if not self.state.is_serving:
            self.models, self._is_silent = None, False
        elif self.models is None:
            await self._list_models()

    async def _list_models(self) -> None:
        route = list_models_route(self.state.paradigm)
        try:
            ask: Any = self.channel.unary_unary(route.path)
            reply: Any = route.response_class.FromString(await ask(b"", timeout=LIST_MODELS_SECONDS))
        except (grpc.aio.AioRpcError, DecodeError) as error:
            if not self._is_silent:
                logger.warning("%s does not list its models: %s", self, error)
            self._is_silent = True
        else:
            self.models = tuple(reply.models)


def _channel(state: ProxiedReplica, credentials: grpc.ChannelCredentials | None) -> grpc.aio.Channel:
    """Return a channel, which connects when it is first used."""
    if credentials is None:
        return grpc.aio.insecure_channel(state.address, options=_OPTIONS)
    name = (("grpc.ssl_target_name_override", state.name),) if state.name else ()
    return grpc.aio.secure_channel(state.address, credentials, options=(*_OPTIONS, *name))
