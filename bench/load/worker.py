"""A process of the generator: `python -m bench.load.worker NUMBER`, driven by bench.load.workers over pipes.

In, a line each: the plan as JSON; `start ZERO` (time.monotonic, the same clock in all processes); `stop REASON` at any
time. Out, a line each: `ready`; `progress` with counts; at the end `record` with the number of bytes that follow it.
The end of the input is a stop: without its parent there is nobody to tell. Ctrl-C is the parent's to handle.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from typing import Any, BinaryIO

import uvloop

from bench.load.driver import Driver
from bench.load.plan import Plan, connected
from bench.load.priority import go_first
from bench.load.record import Fate

PROGRESS_SECONDS = 0.5
# Records pile up by the million and hold no cycles; the collector would walk through them in the middle of a run.
GC_THRESHOLD = 200_000
LONGEST_LINE_BYTES = 64 * 2**20


class Output:
    """The pipe to the parent."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def tell(self, what: str, **values: Any) -> None:
        self._file.write(json.dumps({"what": what, **values}).encode() + b"\n")
        self._file.flush()

    def tell_record(self, raw: bytes, stop_reason: str, stopped_at: float | None) -> None:
        self.tell("record", num_bytes=len(raw), stop_reason=stop_reason, stopped_at=stopped_at)
        self._file.write(raw)
        self._file.flush()


async def work(number: int, is_real_time: bool, output: Output) -> None:
    commands = await _standard_input()
    plan = Plan.model_validate_json(await commands.readline())
    async with connected(plan) as lines:
        driver = Driver(plan.scenario, lines, number, is_real_time)
        output.tell("ready", num_planned=driver.num_planned)
        word, _, zero = (await commands.readline()).decode().partition(" ")
        if word != "start":
            return
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        helpers = [asyncio.create_task(each) for each in (_obey(commands, driver), _report(driver, output))]
        try:
            record = await driver.run(float(zero))
        finally:
            for helper in helpers:
                helper.cancel()
        stopped_at = driver.stopped_at if driver.stop_reason else None
        output.tell_record(record.to_bytes(), driver.stop_reason, stopped_at)


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(LONGEST_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


async def _obey(commands: asyncio.StreamReader, driver: Driver) -> None:
    line = (await commands.readline()).decode()
    driver.stop(line.partition(" ")[2].strip() or "the parent process is gone")


async def _report(driver: Driver, output: Output) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        fates = {fate.name.lower(): driver.recorder.fates[fate] for fate in Fate}
        dropped = sum(driver.recorder.num_dropped)
        output.tell("progress", outstanding=driver.num_outstanding, dropped=dropped, **fates)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    is_real_time = go_first()
    uvloop.run(work(int(sys.argv[1]), is_real_time, Output(sys.stdout.buffer)))


if __name__ == "__main__":
    main()
