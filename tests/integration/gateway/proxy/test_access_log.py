"""The log of requests: one entry each, from which the clock is made, and none lost without a trace."""

from __future__ import annotations

import asyncio
import base64
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from gateway.figures.access_log_service import AccessLogService
from gateway.figures.log_entry import code_of, status_of
from runtime.limits import MAX_MESSAGE_BYTES
from tests.integration.gateway.callers import keys_file
from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import SERVED, Backend
from tests.integration.gateway.proxy.running import QUICK, Proxy, proxy


def times(entry: Any) -> list[float]:
    """Return the times of an entry in the order in which they happen, in seconds after its start."""
    common = entry.common_properties
    ordered: list[Duration] = [
        common.time_to_last_rx_byte,
        common.time_to_first_upstream_tx_byte,
        common.time_to_last_upstream_tx_byte,
        common.time_to_first_upstream_rx_byte,
        common.time_to_first_downstream_tx_byte,
        common.time_to_last_upstream_rx_byte,
        common.time_to_last_downstream_tx_byte,
        common.duration,
    ]
    return [each.ToTimedelta().total_seconds() for each in ordered]


async def test_an_entry_has_every_time_and_what_the_backend_says(single: Proxy) -> None:
    await single.call(GENERATE, b"a")
    entry = await single.observer.entry()
    assert times(entry) == sorted(times(entry))
    assert times(entry)[0] > 0
    trailers = dict(entry.response.response_trailers)
    assert (trailers["grpc-status"], entry.common_properties.upstream_cluster) == ("0", "sequential")
    assert base64.b64decode(trailers["tandem-served-bin"] + "==") == SERVED
    assert dict(entry.request.request_headers) == {"tandem-transport": "grpc"}


STRANGERS = {
    "UNIMPLEMENTED": b"{}",
    "UNAUTHENTICATED": b"{}",
    "RESOURCE_EXHAUSTED": b"a" * (MAX_MESSAGE_BYTES + 99),
    "DEADLINE_EXCEEDED": None,  # it does not come
}


@pytest.mark.parametrize("code", STRANGERS)
async def test_what_comes_in_another_protocol_is_its_sender_s_fault(ar: Backend, tmp_path: Path, code: str) -> None:
    """INTERNAL would spend the error budget."""
    body = STRANGERS[code]
    keys = {"api_keys_file": keys_file(tmp_path)} if code == "UNAUTHENTICATED" else {}
    limits = QUICK if body else {**QUICK, "request": "0.3s"}
    async with proxy([ar], limits=limits, **keys) as running:
        source = "-" if body else "."  # of which curl waits for what is not there
        command = ["curl", "-s", "--http2-prior-knowledge", "-X", "POST", "-T", source]
        curl = await asyncio.create_subprocess_exec(
            *command, f"http://{running.address}{GENERATE}", stdin=PIPE, stdout=PIPE
        )
        sent = asyncio.create_task(curl.communicate(body)) if body else None
        entry = await running.observer.entry()
        assert code_of(entry, status_of(entry)) == code
        await (sent or curl.communicate(b""))


async def test_entries_that_nobody_takes_are_counted(ar: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled = asyncio.Event()

    async def stall(self: AccessLogService, batches: Any, context: Any) -> Any:
        await stalled.wait()

    monkeypatch.setattr(AccessLogService, "_stream", stall)
    long = (("referer", "x" * 4000),)  # an entry has it: some dozens fill all buffers
    small = {"connection_buffer": 16_384, "log_buffer": 1024, "log_backlog": 65_536}
    async with proxy([ar], limits={**QUICK, **small}) as running:
        written = dropped = 0
        async with asyncio.timeout(60):
            while not dropped:
                await asyncio.gather(*(running.call(SCORE, metadata=long) for _ in range(50)))
                counters = await running.envoy.admin.counters()
                written, dropped = counters.log_entries_written, counters.log_entries_dropped
        assert written + dropped == len(ar.calls)
        stalled.set()
