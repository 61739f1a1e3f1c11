"""The models that backends list, asked for when a replica begins to serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from gateway.figures.replica_channels import ReplicaChannels
from gateway.proxy.admin import ProxiedReplica
from runtime.routes import list_models_route

logger = logging.getLogger(__name__)

LIST_MODELS_SECONDS = 2.0


class Models:
    """What each replica lists. Asks replicas themselves: a call by way of the proxy would be counted as a client's."""

    def __init__(self, channels: ReplicaChannels) -> None:
        self._channels = channels
        self._listed: dict[tuple[str, str], tuple[Any, ...]] = {}  # by paradigm and address
        self._silent: set[tuple[str, str]] = set()

    def of(self, paradigm: str) -> list[Any]:
        """Return the Model messages of a paradigm, each name once."""
        listed = [model for (of, _), models in self._listed.items() if of == paradigm for model in models]
        return list({model.name: model for model in listed}.values())

    async def follow(self, replicas: Iterable[ProxiedReplica]) -> None:
        """Ask those that serve and have not told yet; forget those that do not serve any more."""
        serving = {(each.paradigm, each.address) for each in replicas if each.is_serving}
        self._listed = {key: models for key, models in self._listed.items() if key in serving}
        self._silent &= serving
        await asyncio.gather(*(self._ask(*key) for key in serving - self._listed.keys()))

    async def _ask(self, paradigm: str, address: str) -> None:
        route = list_models_route(paradigm)
        try:
            ask: Any = self._channels.to(address).unary_unary(route.path)
            reply: Any = route.response_class.FromString(await ask(b"", timeout=LIST_MODELS_SECONDS))
        except (grpc.aio.AioRpcError, DecodeError) as error:
            if (paradigm, address) not in self._silent:
                logger.warning("%s backend at %s does not list its models: %s", paradigm, address, error)
            self._silent.add((paradigm, address))
        else:
            self._listed[paradigm, address] = tuple(reply.models)
