"""A server of HTTP/2 with manners of its own: `python -m … KIND NUMBER` prints its port and serves. KIND is one of

leaving: after NUMBER replies a client is told to leave its connection; what it sends there after that is ignored.
refusing: a request is answered after NUMBER refusals; refused, in HTTP/2's words, is one that the server has not looked
at, so a client may send it again.
messages, frames: the server follows no rules, or answers with bytes that are no message; NUMBER is its seed.
"""

from __future__ import annotations

import asyncio
import math
import random
import struct
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

KIND, NUMBER = sys.argv[1], int(sys.argv[2])
REPLY = b"\0\0\0\0\1x"
chance = random.Random(NUMBER)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    num_requests, leaves_after = 0, NUMBER if KIND == "leaving" else math.inf
    try:
        while data := await reader.read(65536):
            if num_requests >= leaves_after:
                continue
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    num_requests += 1
                    answer(connection, event.stream_id, num_requests, writer)
            if num_requests >= leaves_after:
                connection.close_connection()  # GOAWAY, behind the last reply and in the same segment
            writer.write(connection.data_to_send())
    except (h2.exceptions.ProtocolError, OSError):
        pass
    writer.transport.abort()


def answer(
    connection: h2.connection.H2Connection, stream: int, num_requests: int, writer: asyncio.StreamWriter
) -> None:
    if KIND in ("messages", "frames"):
        answer_at_random(connection, stream, writer)
    elif KIND == "refusing" and num_requests % (NUMBER + 1):
        connection.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
    else:
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        connection.send_data(stream, REPLY)
        connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)


def answer_at_random(connection: h2.connection.H2Connection, stream: int, writer: asyncio.StreamWriter) -> None:
    if KIND == "frames" and chance.random() < 0.02:
        writer.write(connection.data_to_send() + b"".join(frame(stream) for _ in range(5)))
    if chance.random() < 0.1:
        connection.reset_stream(stream, chance.randrange(14))
        return
    if chance.random() < 0.05:
        return  # never; a deadline ends it
    head = [(":status", chance.choice(["200"] * 9 + ["503"])), ("content-type", "application/grpc")]
    if chance.random() < 0.1:
        connection.send_headers(stream, [*head, ("grpc-status", text())], end_stream=True)
        return
    connection.send_headers(stream, head)
    body = b"".join(message() for _ in range(chance.choice([1, 1, 1, 0, 3])))
    body = body if chance.random() < 0.9 else body[: chance.randrange(len(body) + 1)]
    for begin in range(0, len(body), 50):
        piece = body[begin : begin + chance.randrange(1, 51)] if chance.random() < 0.1 else body[begin : begin + 50]
        connection.send_data(stream, piece)
    trailers = [("grpc-status", text()), ("grpc-message", "%20" * chance.randrange(9))]
    if chance.random() < 0.9:
        connection.send_headers(stream, trailers, end_stream=True)
    else:
        connection.end_stream(stream)


def text() -> str:
    return chance.choice(["0"] * 7 + ["8", "14", "99", "x", "", "9" * 40])


def message() -> bytes:
    """Return a framed message: a good one, one with a byte changed, one cut short, or bytes at random."""
    timings = b"".join(bytes([number << 3 | 1]) + struct.pack("<d", number) for number in range(1, 9))
    good = b"\x0a\x03\x01\x80\x01" + b"\x12\x06\x0a\x02\x07\x08\x12\x00" + b"\x1a" + bytes([len(timings)]) + timings
    kind = chance.random()
    if kind < 0.3:
        place = chance.randrange(len(good))
        good = good[:place] + chance.randbytes(1) + good[place + 1 :]
    elif kind < 0.4:
        good = good[: chance.randrange(len(good))]
    elif kind < 0.5:
        good = chance.randbytes(chance.randrange(60))
    size = len(good) if chance.random() < 0.95 else chance.choice([0, 1, 2**32 - 1])
    return struct.pack(">BI", chance.random() < 0.02, size) + good


def frame(stream: int) -> bytes:
    """Return a frame of any type, on a stream that may make sense."""
    payload = chance.randbytes(chance.randrange(40))
    of = chance.choice([0, stream, stream, stream + 2, 2, 2**31 - 1])
    head = struct.pack(">IBI", len(payload) << 8 | chance.randrange(11), chance.randrange(256), of)
    return head + payload


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
