"""Server-sent events, in pieces, and connections that another request may follow on."""

import asyncio

import pytest

from tandem.measure.generator.sending.http.connection import Connection, Events

RAW = b'data: {"a": 1}\n\n: a comment\n\nevent: error\r\ndata:x\r\ndata: y\r\n\r\ndata: [DONE]\n\ndata: torn'


def test_pieces_of_any_size_come_to_the_same_events() -> None:
    for size in (1, 2, 3, 7, len(RAW)):
        events, found = Events(), []
        for begin in range(0, len(RAW), size):
            found += events.feed(RAW[begin : begin + size])
        assert found == [b'{"a": 1}', b"x\ny", b"[DONE]"]


class Open(asyncio.Transport):
    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("head", "body", "stays"),
    [
        ("Content-Length: 2", "{}", True),
        ("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", "9\r\ndata: x\n\n\r\n0\r\n\r\n", True),
        ("Content-Length: 2\r\nConnection: close", "{}", False),
    ],
)
async def test_a_connection_stays_as_its_reply_says(head: str, body: str, stays: bool) -> None:
    """A streamed reply used to cost the next request a new connection, whose making was in its first token's time."""
    connection, said = Connection(lambda lost: None), []
    connection.connection_made(Open())
    connection.prepare(lambda message, at: said.append((message, at)))
    connection.take(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}".encode(), 7.0)
    assert await connection.reply() is None
    assert said == [(b"x" if "data" in body else b"{}", 7.0)]
    assert connection.is_reusable() is stays
