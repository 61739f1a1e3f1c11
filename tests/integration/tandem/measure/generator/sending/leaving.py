"""A server that tells clients to leave after so many replies: `python -m … NUMBER` prints its port and serves."""

from __future__ import annotations

import asyncio
import sys

import h2.config
import h2.connection
import h2.events

NUM_REPLIES = int(sys.argv[1])
REPLY = b"\0\0\0\0\1x"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    num_replies = 0
    writer.write(connection.data_to_send())
    while num_replies < NUM_REPLIES and (data := await reader.read(65536)):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.StreamEnded):
                num_replies += 1
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                connection.send_data(event.stream_id, REPLY)
                connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        if num_replies >= NUM_REPLIES:
            connection.close_connection()  # GOAWAY, behind the last reply and in the same segment
        writer.write(connection.data_to_send())
    while await reader.read(65536):
        pass
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
