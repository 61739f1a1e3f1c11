"""A server that answers a request after so many refusals: `python -m … NUMBER` prints its port and serves.

Refused, in HTTP/2's words, is a request that the server has not looked at: a client may send it again.
"""

from __future__ import annotations

import asyncio
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events

NUM_REFUSALS = int(sys.argv[1])
REPLY = b"\0\0\0\0\1x"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.initiate_connection()
    num_seen = 0
    writer.write(connection.data_to_send())
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.StreamEnded):
                num_seen += 1
                if num_seen % (NUM_REFUSALS + 1):
                    connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                    continue
                connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                connection.send_data(event.stream_id, REPLY)
                connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        writer.write(connection.data_to_send())


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
