"""Both transports serve at a Unix socket, which has no port."""

from pathlib import Path

import grpc
import pytest

from runtime.http2.library import open_http2
from runtime.http2.server import Http2Server
from runtime.server.grpcio import GrpcioServer
from runtime.server.health import Health
from tandem.shared.compiled.recipe import LibraryUnavailable

CHECK = "/grpc.health.v1.Health/Check"


def native() -> Http2Server:
    try:
        return Http2Server(open_http2())
    except LibraryUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("new", [native, GrpcioServer])
async def test_a_server_at_a_unix_socket(new, tmp_path: Path) -> None:
    server, health = new(), Health([])
    address = f"unix:{tmp_path}/a.sock"
    await server.start(address, 0, [health.handler()])
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            assert await channel.unary_unary(CHECK)(b"")
    finally:
        await server.stop(0)


async def test_a_path_that_is_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.sock").touch()
    with pytest.raises(OSError, match="in use"):
        await native().start(f"unix:{tmp_path}/a.sock", 0, [])
