"""What a server does not take: more than one message, compressed ones, wrong heads; and whose call it takes one for."""

from pathlib import Path

import grpc
import pytest

from runtime.rpc.message import read_message
from runtime.rpc.metadata import PEER_METADATA, metadata_of, peer_of
from tests.faults.attacks.connection import Stream, connected
from tests.faults.attacks.grpc_stream import begin, call_headers, framed

LIMIT_SECONDS = 60
PATH = "/test.Service/Peers"


class Handler(grpc.GenericRpcHandler):
    """Replies with the peers that a call's metadata name."""

    def __init__(self) -> None:
        self.num_begun = 0

    def service(self, _):
        return grpc.stream_unary_rpc_method_handler(self._peers)

    async def _peers(self, _: object, context) -> bytes:
        self.num_begun += 1
        await read_message(context)
        return " ".join(value for key, value in context.invocation_metadata() if key == PEER_METADATA).encode()


async def ended(address: str, body: bytes, headers: list[tuple[str, str]]) -> Stream:
    """Return how a call ends."""
    async with connected(address) as connection:
        number = connection.open_stream(headers)
        await connection.send(number, body)
        return await connection.answer(number)


@pytest.mark.parametrize("rest", [framed(b""), 2000 * framed(b""), framed(b"hi") * 2, b"\0", b"\0\0\0"])
async def test_whatever_follows_the_one_message_ends_the_call_before_it_begins(serving, rest):
    stream = await ended(serving.address, framed(b"hi") + rest, call_headers(PATH))
    assert (stream.status_name, stream.headers["grpc-message"]) == ("INTERNAL", "the method takes one message")
    assert serving.handler.num_begun == 0


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", "UNIMPLEMENTED"), ("x", "UNIMPLEMENTED"), ("identity", "INTERNAL")]
)
async def test_a_compressed_message_is_refused(serving, encoding, status):
    headers = call_headers(PATH, ("grpc-encoding", encoding))
    stream = await ended(serving.address, framed(b"hi", compressed=True), headers)
    assert (stream.status_name, stream.headers["grpc-accept-encoding"]) == (status, "identity")
    assert serving.handler.num_begun == 0


WRONG = {
    "timeout": ([("grpc-timeout", "5X")], "INTERNAL", "200"),
    "metadata": ([("x-long", "a" * 20_000)], "RESOURCE_EXHAUSTED", "200"),
    "web": ([("content-type", "application/grpc-web")], "no status", "415"),
}


@pytest.mark.parametrize("which", WRONG)
async def test_a_head_that_is_wrong_is_told_what_it_is(serving, which):
    more, status, http_status = WRONG[which]
    headers = [header for header in call_headers(PATH) if header[0] != more[0][0]]
    stream = await ended(serving.address, framed(b"hi"), headers + more)
    assert (stream.status_name, stream.headers[":status"]) == (status, http_status)
    assert serving.handler.num_begun == 0


@pytest.mark.parametrize(
    ("host", "client", "shown"),
    [("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("::1", "::1", "[::1]"), ("::", "127.0.0.1", "127.0.0.1")],
)
async def test_the_peer_of_a_call_that_names_nobody_is_the_connection_s(http2, host, client, shown):
    try:
        port = await http2.start(host, 0, [Handler()])
    except OSError:
        pytest.skip("no IPv6")
    async with connected(f"{client}:{port}") as connection:
        own_port = connection._writer.get_extra_info("sockname")[1]
        number = await begin(connection, PATH, b"hi")
        body = bytes((await connection.answer(number)).body[5:]).decode()
    assert body == f"{shown}:{own_port}"
    assert peer_of(metadata_of([(PEER_METADATA, body)])) == body


async def test_a_unix_socket_has_no_peer(http2, tmp_path: Path):
    await http2.start(f"unix:{tmp_path}/a.sock", 0, [Handler()])
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/a.sock") as channel:
        assert await channel.stream_unary(PATH)(iter([b"hi"]), timeout=LIMIT_SECONDS) == b""
