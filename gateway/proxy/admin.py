"""A client of Envoy's administration: the state of replicas, requests in flight, and the start of a drain."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ipaddress
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.rpc.routes import SERVICES


@dataclass(frozen=True)
class Endpoint:
    """A target of the settings, taken apart; IPv6 addresses are without brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, target: str) -> Endpoint:
        """Take host:port or [IPv6]:port apart."""
        host, _, port = target.rpartition(":")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address itself, and stands for nothing else."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


Json = dict[str, Any]

TIMEOUT_SECONDS = 5.0

GRPC, HTTP, INTERNAL = "grpc", "http", "internal"
"""Listeners, as envoy.yaml names them."""

# What `Counters` is made of; Envoy has some hundred more.
_LOG = "access_logs.grpc_access_log"
_ACTIVE = tuple(f"http.{listener}.downstream_rq_active" for listener in (GRPC, INTERNAL))
_OWN_ACTIVE = ("cluster.self.upstream_rq_active", "cluster.watches.upstream_rq_active")
_WANTED = (*_ACTIVE, *_OWN_ACTIVE, f"{_LOG}.logs_written", f"{_LOG}.logs_dropped")
_FILTER = "^(" + "|".join(re.escape(name) for name in _WANTED) + ")$"


class AdminError(Exception):
    """Envoy does not answer, or not with what was asked for; it is starting, ending or gone."""


@dataclass(frozen=True)
class ProxiedReplica:
    """A replica as Envoy sees it; `address` is host:port, `name` the host of its target if that is a name."""

    paradigm: str
    address: str
    name: str
    is_serving: bool
    num_active: int


@dataclass(frozen=True)
class Counters:
    """Numbers of the whole proxy since its start, but `requests_active`, which is of now."""

    requests_active: int
    """Calls of the product's RPCs in flight, without health and reflection, which may never end."""

    log_entries_written: int
    log_entries_dropped: int
    """Entries that the gateway will never see, because it was not there to take them."""


class Admin:
    """Asks the administration at a Unix socket; every method raises AdminError."""

    def __init__(self, path: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    async def is_ready(self) -> bool:
        """Return whether Envoy listens and has asked every replica once how it is."""
        return (await self._ask("GET", "/ready"))[0] == http.client.OK

    async def ports(self) -> dict[str, int]:
        """Return the port of each public listener by its name."""
        found = await self._json("/listeners?format=json")
        return {
            entry["name"]: entry["local_address"]["socket_address"]["port_value"]
            for entry in found.get("listener_statuses", ())
            if "socket_address" in entry["local_address"]
        }

    async def replicas(self) -> list[ProxiedReplica]:
        """Return the replicas that there are now."""
        found = await self._json("/clusters?format=json")
        return [
            _replica(cluster["name"], host)
            for cluster in found.get("cluster_statuses", ())
            if cluster["name"] in SERVICES
            for host in cluster.get("host_statuses", ())
        ]

    async def counters(self) -> Counters:
        """Return the numbers that figures need."""
        found = await self._json(f"/stats?format=json&filter={_FILTER}")
        values = {entry["name"]: int(entry["value"]) for entry in found["stats"] if "name" in entry}
        active = sum(values.get(name, 0) for name in _ACTIVE) - sum(values.get(name, 0) for name in _OWN_ACTIVE)
        return Counters(
            requests_active=max(0, active),
            log_entries_written=values.get(f"{_LOG}.logs_written", 0),
            log_entries_dropped=values.get(f"{_LOG}.logs_dropped", 0),
        )

    async def drain_listeners(self) -> None:
        """Ask gRPC clients with their next reply to connect elsewhere, and accept no new connections from them.

        Envoy goes on, and so does HTTP.
        """
        await self._ask("POST", "/drain_listeners?inboundonly&graceful&skip_exit")
        # The first alone leaves the port open until Envoy ends; this one says nothing to those who are connected.
        await self._ask("POST", "/drain_listeners?inboundonly")

    async def _json(self, path: str) -> Json:
        status, body = await self._ask("GET", path)
        if status != http.client.OK:
            raise AdminError(f"{path}: Envoy answers {status}")
        found: Json = json.loads(body)
        return found

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        try:
            return await asyncio.to_thread(self._ask_blocking, method, path)
        except (OSError, http.client.HTTPException) as error:
            raise AdminError(f"{path}: {error}") from error

    def _ask_blocking(self, method: str, path: str) -> tuple[int, bytes]:
        # The host is a name without a meaning: the connection is the Unix socket's.
        with contextlib.closing(http.client.HTTPConnection("envoy")) as connection:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(self._timeout_seconds)
            connection.sock.connect(str(self._path))
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()


def _replica(paradigm: str, host: Json) -> ProxiedReplica:
    address, health = host["address"]["socket_address"], host["health_status"]
    is_failed = health.get("failed_active_health_check") or health.get("failed_outlier_check")
    active = (int(entry.get("value", 0)) for entry in host.get("stats", ()) if entry["name"] == "rq_active")
    return ProxiedReplica(
        paradigm=paradigm,
        address=str(Endpoint(address["address"], address["port_value"])),
        name=host.get("hostname", ""),
        is_serving=not is_failed,
        num_active=next(active, 0),
    )
