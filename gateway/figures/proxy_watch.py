"""Asks Envoy each second how its replicas are, and tells whom it concerns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.figures.models import Models
from gateway.figures.replica_channels import ReplicaChannels
from gateway.figures.replicas import Replicas
from gateway.proxy.admin import Admin, AdminError

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0

Changed = Callable[[str, bool], Awaitable[None]]
"""Takes a paradigm, and whether it has a replica that serves."""


class ProxyWatch:
    """Keeps `replicas`, `channels` and `models` up to date; awaits `changed` at the first poll and at each change."""

    def __init__(
        self, admin: Admin, replicas: Replicas, channels: ReplicaChannels, models: Models, changed: Changed | None
    ) -> None:
        self._admin = admin
        self._replicas = replicas
        self._channels = channels
        self._models = models
        self._changed = changed
        self._told: dict[str, bool] = {}
        self._states: dict[str, bool] = {}

    async def run(self) -> None:
        """Never returns. While Envoy does not answer, what was known stays."""
        while True:
            try:
                await self.poll()
            except AdminError as error:
                logger.warning("Envoy does not tell how its replicas are: %s", error)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Ask once. Raises AdminError."""
        self._replicas.update(await self._admin.replicas(), await self._admin.counters())
        self._log_changes()
        await self._channels.keep(self._replicas.all)
        # Before anybody hears that there is a replica: who asks then wants to know its models.
        await self._models.follow(self._replicas.all)
        await self._tell()

    async def _tell(self) -> None:
        for paradigm in self._replicas.paradigms:
            is_serving = self._replicas.is_serving(paradigm)
            if self._changed is not None and self._told.get(paradigm) is not is_serving:
                await self._changed(paradigm, is_serving)
            self._told[paradigm] = is_serving

    def _log_changes(self) -> None:
        states = {f"{each.paradigm} backend at {each.address}": each.is_serving for each in self._replicas.all}
        for name, is_serving in states.items():
            if self._states.get(name) is not is_serving:
                logger.info("%s %s", name, "is serving" if is_serving else "is not ready")
        for name in self._states.keys() - states.keys():
            logger.info("%s is gone", name)
        self._states = states
