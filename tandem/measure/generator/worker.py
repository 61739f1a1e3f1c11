"""A process of the generator: `python -m tandem.measure.generator.worker NUMBER`, driven by `workers` over pipes.

It stays up and carries out one plan after another. In, a line each: a plan as JSON; `start ZERO` (time.monotonic, the
same clock in all processes); `stop REASON` while the load lasts. Out, a line each: `ready`; `progress` with counts; at
the end of a load `record` with the number of bytes that follow it. The end of the input ends the process: without its
parent there is nobody to tell. Ctrl-C is the parent's to handle.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from typing import Any

import uvloop

from tandem.measure.generator.driver import Driver
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.requests.endpoints import endpoints_of
from tandem.measure.generator.sending.connections import Connections

PROGRESS_SECONDS = 0.5
# Records pile up by the million and hold no cycles; the collector would walk through them in the middle of a run.
GC_THRESHOLD = 200_000
LONGEST_LINE_BYTES = 64 * 2**20
_STOP = "stop"


class Worker:
    """Carries out what comes down the pipe, one plan at a time."""

    def __init__(self, number: int, commands: asyncio.StreamReader) -> None:
        self._number = number
        self._commands = commands
        self._connections = Connections()

    async def work(self) -> None:
        """Return at the end of the input. Raises what goes wrong: then this process is of no more use."""
        try:
            while line := (await self._commands.readline()).decode():
                if not line.startswith(_STOP):  # one that came too late
                    await self._carry_out(Plan.model_validate_json(line))
        finally:
            await self._connections.close()

    async def _carry_out(self, plan: Plan) -> None:
        driver = Driver(plan.scenario, await self._connections.sender(plan), endpoints_of(plan), self._number)
        _tell("ready", num_planned=driver.num_planned)
        zero = await self._argument()
        if not zero:  # the end of the input
            return
        helpers = [asyncio.create_task(work) for work in (self._obey(driver), _report(driver))]
        try:
            record = await driver.run(float(zero))
            self._connections.note_use()
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        _tell(
            "record",
            record.to_bytes(),
            stop_reason=driver.stop_reason,
            stopped_at=driver.stopped_at if driver.stop_reason else None,
            cpu_seconds=driver.cpu_seconds,
        )

    async def _obey(self, driver: Driver) -> None:
        driver.stop(await self._argument() or "the parent process is gone")

    async def _argument(self) -> str:
        """Return what follows the word of the next command; nothing at the end of the input."""
        return (await self._commands.readline()).decode().partition(" ")[2].strip()


async def _report(driver: Driver) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        _tell("progress", counts=driver.counts())


def _tell(what: str, raw: bytes = b"", **values: Any) -> None:
    """Write a line to the parent, and the bytes that follow it."""
    sys.stdout.buffer.write(json.dumps({"what": what, "num_bytes": len(raw), **values}).encode() + b"\n")
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


async def main_loop(number: int) -> None:
    reader = asyncio.StreamReader(LONGEST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    await Worker(number, reader).work()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(main_loop(int(sys.argv[1])))


if __name__ == "__main__":
    main()
