"""The gateway's own connections to replicas, for what it asks them beside the path of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import grpc

from gateway.proxy.admin import ProxiedReplica

_OPTIONS: tuple[tuple[str, int], ...] = (
    # A replica that comes back must be met within a second, not after the default's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A proxy in the environment is for the way out, not for our own backends.
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class ReplicaChannels:
    """A channel to each replica that there is, made when it is first used. Needs a running event loop.

    With `credentials` the connections use TLS, and a replica's certificate must be for the name that it was found
    under, or for its address if that is what the settings have.
    """

    def __init__(self, credentials: grpc.ChannelCredentials | None = None) -> None:
        self._credentials = credentials
        self._names: dict[str, str] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def to(self, address: str) -> grpc.aio.Channel:
        """Return the channel to a replica. Raises KeyError if there is no such replica."""
        if address not in self._channels:
            self._channels[address] = self._open(address, self._names[address])
        return self._channels[address]

    def __contains__(self, address: str) -> bool:
        return address in self._names

    async def keep(self, replicas: Iterable[ProxiedReplica]) -> None:
        """Know these from now on; close the channels to others."""
        self._names = {each.address: each.name for each in replicas}
        gone = [self._channels.pop(address) for address in list(self._channels) if address not in self._names]
        await asyncio.gather(*(channel.close() for channel in gone))

    async def close(self) -> None:
        """Close all channels."""
        await self.keep(())

    def _open(self, address: str, name: str) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(address, options=_OPTIONS)
        options = (*_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else _OPTIONS
        return grpc.aio.secure_channel(address, self._credentials, options=options)
