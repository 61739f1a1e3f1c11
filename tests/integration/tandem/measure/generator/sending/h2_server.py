"""What the HTTP/2 servers of these tests share: they print their port and answer each request as a function says."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events

REPLY = b"\0\0\0\0\1x"
Connection = h2.connection.H2Connection


def send_reply(connection: Connection, stream_id: int) -> None:
    """Send a reply of one message, and the status OK."""
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream_id, REPLY)
    connection.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)


def run(answer: Callable[[Connection, int, int], None], leaves_after: float = math.inf) -> None:
    """Serve for ever. `answer` gets the connection, the stream, and how many requests of it there were, from 1 on.

    After `leaves_after` requests a client is told to leave its connection; what it sends there after that is ignored.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        num_requests = 0
        while data := await reader.read(65536):
            if num_requests >= leaves_after:
                continue
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    num_requests += 1
                    answer(connection, event.stream_id, num_requests)
            if num_requests >= leaves_after:
                connection.close_connection()  # GOAWAY, behind the last reply and in the same segment
            writer.write(connection.data_to_send())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(main())
