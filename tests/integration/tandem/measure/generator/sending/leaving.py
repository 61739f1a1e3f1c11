"""A server that tells a client to leave its connection after some replies, as many as its argument says."""

import sys

from tests.integration.tandem.measure.generator.sending.h2_server import Connection, run, send_reply


def answer(connection: Connection, stream_id: int, num_requests: int) -> None:
    send_reply(connection, stream_id)


if __name__ == "__main__":
    run(answer, leaves_after=int(sys.argv[1]))
