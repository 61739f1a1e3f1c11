"""Which models the replicas have, for the page: each replica is asked once when it begins to serve.

Not through Envoy, which would count the question among its callers', and would choose the replica.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Any

import grpc

from gateway.proxy.admin import ProxiedReplica
from runtime.routes import list_models_route

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0
ASK_AGAIN_SECONDS = 1.0


class Models:
    """What replicas have listed, by address; `credentials` are those of connections to backends, None in the clear."""

    def __init__(self, credentials: grpc.ChannelCredentials | None) -> None:
        self._credentials = credentials
        self._listed: dict[str, tuple[Any, ...]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}

    def of(self, replicas: Iterable[ProxiedReplica]) -> list[Any]:
        """Return the models of these replicas, each name once."""
        listed = (model for replica in replicas for model in self._listed.get(replica.address, ()))
        return list({model.name: model for model in listed}.values())

    def follow(self, replicas: Iterable[ProxiedReplica]) -> None:
        """Begin to ask those of `replicas`, all that there are, that serve and have not said yet; forget all others."""
        replicas = list(replicas)
        for address in self._listed.keys() - {replica.address for replica in replicas}:
            del self._listed[address]
        for replica in replicas:
            address = replica.address
            if not replica.is_serving:
                self._not_before.pop(address, None)
            elif address not in self._asking and time.monotonic() >= self._not_before.get(address, 0.0):
                self._asking[address] = asyncio.create_task(self._ask(replica))

    async def stop(self) -> None:
        """Ask nobody any more."""
        for asking in self._asking.values():
            asking.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _ask(self, replica: ProxiedReplica) -> None:
        """Ask one replica; soon again if it does not answer, else when it has been away."""
        address, route = replica.address, list_models_route(replica.paradigm)
        try:
            async with self._channel(replica) as channel:
                method: Any = channel.unary_unary(route.path)
                reply: Any = route.response_class.FromString(await method(b"", timeout=TIMEOUT_SECONDS))
            self._listed[address] = tuple(reply.models)
            self._not_before[address] = float("inf")
        except Exception as error:  # a replica may answer anything; its models are then not known
            logger.warning("%s backend at %s does not list its models: %s", replica.paradigm, address, type(error))
            self._not_before[address] = time.monotonic() + ASK_AGAIN_SECONDS
        finally:
            del self._asking[address]

    def _channel(self, replica: ProxiedReplica) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        if self._credentials is None:
            return grpc.aio.insecure_channel(replica.address, options=options)
        if replica.name:
            options.append(("grpc.ssl_target_name_override", replica.name))
        return grpc.aio.secure_channel(replica.address, self._credentials, options=options)
