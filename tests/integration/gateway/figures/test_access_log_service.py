"""The service that Envoy sends its log to, over a real Unix socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry, StreamAccessLogsMessage
from gateway.figures.access_log_service import SERVICE, AccessLogService
from tests.unit.gateway.figures.entries import entry
from tests.waiting import until

PATH = f"/{SERVICE}/StreamAccessLogs"


class Log:
    """The service, what it has taken, and a channel to it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.taken: list[str] = []
        self.service = AccessLogService(lambda raw: self.taken.append(raw.request.request_id))
        self.stream: Any = channel.stream_unary(PATH)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    address, server = f"unix:{tmp_path}/observer.sock", grpc.aio.server()
    async with grpc.aio.insecure_channel(address) as channel:
        log = Log(channel)
        server.add_generic_rpc_handlers([log.service.handler()])
        server.add_insecure_port(address)
        await server.start()
        yield log
        await server.stop(0)


def batch(*request_ids: str) -> bytes:
    message = StreamAccessLogsMessage()
    for request_id in request_ids:
        raw: HTTPAccessLogEntry = entry()
        raw.request.request_id = request_id
        message.http_logs.log_entry.append(raw)
    return message.SerializeToString()


async def test_what_cannot_be_read_loses_no_other_batch(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    await log.stream(iter([batch("a"), b"\xff", StreamAccessLogsMessage().SerializeToString(), batch("b")]))
    assert log.taken == ["a", "b"]
    assert "cannot be read" in caplog.text


async def test_it_is_closed_when_every_stream_is(log: Log) -> None:
    assert await log.service.until_closed(0)
    calls = [log.stream(), log.stream()]
    for number, call in enumerate(calls):
        await call.write(batch(str(number)))
    await until(lambda: len(log.taken) >= 2)
    assert not await log.service.until_closed(0.01)
    await calls[0].done_writing()
    calls[1].cancel()  # as a process ends that is killed
    assert await log.service.until_closed(20)
