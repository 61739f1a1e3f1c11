"""A process of the generator: `python -m tandem.measure.generator.worker NUMBER`, driven by `workers` over pipes.

It stays up and carries out one plan after another. In, a line each: a plan as JSON; `start ZERO` (time.monotonic, the
same clock in all processes); `stop REASON` while the load lasts. Out, a line each: `num_planned` when it is ready;
`counts`; at the end of a load its share, with the number of bytes that follow the line. The end of the input ends the
process: without its parent there is nobody to tell. Ctrl-C is the parent's to handle.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import sys
import time
from typing import Any

import uvloop

from tandem.client.credentials import Credentials
from tandem.measure.generator.driver import Driver
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.endpoints import endpoints_of
from tandem.measure.generator.sending.grpc_calls import GrpcCalls
from tandem.measure.generator.sending.http.http_calls import HttpCalls
from tandem.measure.generator.sending.native_sender import NativeSender
from tandem.measure.generator.sending.python_sender import PythonSender
from tandem.measure.generator.sending.sender import Sender
from tandem.shared.compiled.recipe import LibraryUnavailable

PROGRESS_SECONDS = 0.5
LONGEST_LINE_BYTES = 64 * 2**20
# Records pile up by the million and hold no cycles; the collector would walk through them in the middle of a run.
_GC_THRESHOLD = 200_000
_CONNECT_SECONDS = 10.0
# Between runs nothing reads from a connection, so pings stay unanswered, and a server may close it.
_MOST_IDLE_SECONDS = 5.0
_STOP = "stop"


async def work(number: int, commands: asyncio.StreamReader) -> None:
    """Return at the end of the input. Raises what goes wrong: then this process is of no more use.

    Connections last while address, number and protocol are the same, and the next run soon follows.
    """
    credentials = Credentials.from_environment()
    sender: Sender | None = None
    made_for, used_at = None, 0.0
    try:
        while line := (await commands.readline()).decode():
            if line.startswith(_STOP):  # one that came too late
                continue
            plan = Plan.model_validate_json(line)
            wanted = (plan.address, plan.scenario.connections_per_process, plan.scenario.is_http)
            if sender is not None and wanted == made_for and time.monotonic() - used_at <= _MOST_IDLE_SECONDS:
                sender.reset()
            else:
                if sender is not None:
                    await sender.close()
                    sender = None
                sender, made_for = _new_sender(*wanted, credentials), wanted
                await sender.connect(_CONNECT_SECONDS)
            await _carry_out(Driver(plan.scenario, sender, endpoints_of(plan), number, plan.trace), commands)
            used_at = time.monotonic()
    finally:
        if sender is not None:
            await sender.close()


def _new_sender(address: str, num_connections: int, is_http: bool, credentials: Credentials) -> Sender:
    """Return a sender to `address` (host:port, or of HTTP a URL) that is not connected yet: the one in C++, or the one
    in Python for HTTP, for TLS and where nothing can be compiled. Raises ExpectedError for no such address.
    """
    # Only grpc can resolve an address with a slash, as unix:/a/socket or dns:///host:1.
    if not is_http and credentials.ca is None and "/" not in address:
        with contextlib.suppress(LibraryUnavailable):
            return NativeSender(address, num_connections, credentials.metadata or ())
    kind = HttpCalls if is_http else GrpcCalls
    return PythonSender(address, lambda: kind(address, num_connections, credentials))


async def _carry_out(driver: Driver, commands: asyncio.StreamReader) -> None:
    _tell(num_planned=driver.num_planned)
    zero = await _argument(commands)
    if not zero:  # the end of the input
        return
    helpers = [asyncio.create_task(helper) for helper in (_obey(driver, commands), _report(driver))]
    try:
        share = await driver.run(float(zero))
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
    raw = b"" if share.record is None else share.record.to_bytes()
    _tell(
        raw,
        num_bytes=len(raw),
        stop_reason=share.stop_reason,
        stopped_at=share.stopped_at,
        cpu_seconds=share.cpu_seconds,
    )


async def _obey(driver: Driver, commands: asyncio.StreamReader) -> None:
    driver.stop(await _argument(commands) or "the parent process is gone")


async def _argument(commands: asyncio.StreamReader) -> str:
    """Return what follows the word of the next command; nothing at the end of the input."""
    return (await commands.readline()).decode().partition(" ")[2].strip()


async def _report(driver: Driver) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        _tell(counts=driver.counts())


def _tell(raw: bytes = b"", **values: Any) -> None:
    """Write a line to the parent, and the bytes that follow it."""
    sys.stdout.buffer.write(json.dumps(values).encode() + b"\n")
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


async def main_loop(number: int) -> None:
    reader = asyncio.StreamReader(LONGEST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
    await work(number, reader)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(main_loop(int(sys.argv[1])))


if __name__ == "__main__":
    main()
