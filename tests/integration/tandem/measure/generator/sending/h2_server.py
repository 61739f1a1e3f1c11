"""A server of HTTP/2 with manners of its own: `python -m … leaving N` or `refusing N` prints its port and serves.

`leaving`: after N replies a client is told to leave its connection; what it sends there after that is ignored.
`refusing`: a request is answered after N refusals; refused, in HTTP/2's words, is one that the server has not looked
at, so a client may send it again.
"""

from __future__ import annotations

import asyncio
import math
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events

KIND, NUMBER = sys.argv[1], int(sys.argv[2])
REPLY = b"\0\0\0\0\1x"


def answer(connection: h2.connection.H2Connection, stream_id: int, num_requests: int) -> None:
    if KIND == "refusing" and num_requests % (NUMBER + 1):
        return connection.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
    connection.send_headers(stream_id, [(":status", "200"), ("content-type", "application/grpc")])
    connection.send_data(stream_id, REPLY)
    return connection.send_headers(stream_id, [("grpc-status", "0")], end_stream=True)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    configuration = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    connection = h2.connection.H2Connection(configuration)
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    num_requests, leaves_after = 0, NUMBER if KIND == "leaving" else math.inf
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


if __name__ == "__main__":
    asyncio.run(main())
