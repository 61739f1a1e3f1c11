"""Where the metrics pages of a gateway and of the backends behind it are, as the processes themselves tell.

Each says in the trailers of a health check at which port its page is; the gateway's /status says which replicas there
are.
"""

import asyncio
import json
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.client.channels import open_async_channel
from tandem.client.credentials import Credentials
from tandem.measure.meters.metrics_page import fetch
from tandem.shared.loopback import is_loopback
from tandem.shared.metrics import METRICS_PORT_METADATA

_TIMEOUT_SECONDS = 5.0


class NotReported(Exception):
    """Expected: the addresses of the metrics pages of a process cannot be found out; the text says why."""


async def pages_of_gateway(address: str) -> tuple[str]:
    """Return the metrics page (host:port) of the gateway at `address`. Raises NotReported."""
    return (await _page(address, Credentials.from_environment()),)


async def pages_of_backend(gateway_address: str, paradigm: str) -> tuple[str, ...]:
    """Return the metrics pages of all ready replicas of a paradigm. Raises NotReported if one of them is not known."""
    [page] = await pages_of_gateway(gateway_address)
    status = await asyncio.to_thread(_status, page)
    try:
        listed = next(entry["replicas"] for entry in status["paradigms"] if entry["paradigm"] == paradigm)
        targets = [replica["target"] for replica in listed if replica["state"] == "serving"]
    except (KeyError, TypeError, StopIteration):
        raise NotReported(f"{page}/status is not the gateway's") from None
    if not targets:
        raise NotReported(f"the gateway has no replica of the {paradigm} backend")
    # In the clear: the credentials of the environment are for the gateway alone.
    return tuple([await _page(_seen_from_here(target, gateway_address), Credentials()) for target in targets])


def _seen_from_here(target: str, gateway_address: str) -> str:
    """Return the address of a replica; a loopback address is one of the gateway's machine."""
    host, _, port = target.rpartition(":")
    return f"{gateway_address.rpartition(':')[0]}:{port}" if is_loopback(host) else target


async def _page(address: str, credentials: Credentials) -> str:
    try:
        async with open_async_channel(address, credentials) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            call = stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS, metadata=credentials.metadata)
            await call
            trailers = dict(await call.trailing_metadata())
    except grpc.RpcError as error:
        raise NotReported(f"the server at {address} does not answer a health check: {error.code().name}") from None
    port = trailers.get(METRICS_PORT_METADATA)
    if port is None:
        raise NotReported(f"the server at {address} does not tell where its metrics are")
    return f"{address.rpartition(':')[0]}:{port}"


def _status(page: str) -> Any:
    credentials = Credentials.from_environment()
    if credentials.ca is not None:  # a key must not travel in the clear
        raise NotReported("the gateway uses TLS, and is asked for its replicas in the clear only")
    try:
        return json.loads(fetch(f"{page}/status", dict(credentials.metadata or ())))
    except ValueError as error:
        raise NotReported(f"{page}/status: {error}") from None
