"""A server that answers a request after some refusals, as many as its argument says.

Refused, in HTTP/2's words, is a request that the server has not looked at: a client may send it again.
"""

import sys

import h2.errors

from tests.integration.tandem.measure.generator.sending.h2_server import Connection, run, send_reply

NUM_REFUSALS = int(sys.argv[1])


def answer(connection: Connection, stream_id: int, num_requests: int) -> None:
    if num_requests % (NUM_REFUSALS + 1):
        connection.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
    else:
        send_reply(connection, stream_id)


if __name__ == "__main__":
    run(answer)
