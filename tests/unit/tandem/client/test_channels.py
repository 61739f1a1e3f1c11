"""Channel options, and what they make of the connections."""

import grpc
import pytest

from tandem.client.channels import channel_options, open_async_channel
from tandem.client.credentials import Credentials


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [("127.0.0.1:50050", True), ("localhost:1", True), ("[::1]:1", True), ("gateway.example:50050", False)],
)
def test_no_proxy_on_loopback(address: str, is_loopback: bool) -> None:
    assert (("grpc.enable_http_proxy", 0) in channel_options(address)) is is_loopback


async def test_each_channel_has_a_connection_of_its_own() -> None:
    peers = []

    async def note(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        peers.append(context.peer())
        return b""

    server = grpc.aio.server()
    methods = {"Method": grpc.unary_unary_rpc_method_handler(note)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", methods),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with open_async_channel(address, Credentials()) as one, open_async_channel(address, Credentials()) as other:
        for channel in (one, other, one):
            await channel.unary_unary("/test.Service/Method")(b"")
    await server.stop(None)
    assert peers[0] == peers[2] != peers[1]
