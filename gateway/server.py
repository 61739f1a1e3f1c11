"""The gateway's gRPC server, whose stop drains the calls that came over HTTP as well."""

import asyncio
from collections.abc import Iterable

import grpc

from gateway.http_transport import HttpTransport
from runtime.server import RpcServer
from runtime.tls import ServerTls


class GatewayServer(RpcServer):
    """Both transports stop together, within one and the same limit; probes and metrics go on to the end."""

    def __init__(
        self,
        host: str,
        port: int,
        handlers: Iterable[grpc.GenericRpcHandler],
        names: Iterable[str],
        http_transport: HttpTransport,
        tls: ServerTls | None = None,
    ) -> None:
        super().__init__(host, port, handlers, names, tls)
        self._http_transport = http_transport

    async def stop(self, drain_seconds: float) -> None:
        await asyncio.gather(super().stop(drain_seconds), self._http_transport.drain(drain_seconds))
