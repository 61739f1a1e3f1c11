"""The processes of the generator, from the outside: started, told when to begin, listened to, ended by pid.

They are processes of their own even if it is only one, so that what the parent does (a progress display, the keyboard)
costs the measurement nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tandem.measure.generator.driver import Share
from tandem.measure.generator.plan import Plan
from tandem.measure.generator.worker import LONGEST_LINE_BYTES
from tandem.measure.results.record import Record
from tandem.measure.scenario import Scenario

# From the command to begin until the warm-up begins. Requests of an open loop are due from then on, whereas callers of
# a closed one count from when they come.
_HEAD_START_SECONDS = {"open": 0.1, "closed": 0.01}
_END_SECONDS = 5.0

OnProgress = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far a run is, all processes together. `elapsed_seconds` counts from the warm-up's end."""

    elapsed_seconds: float
    num_planned: int | None
    counts: dict[str, int]


def ignore(*_: object) -> None:
    """Do nothing: for callers who need no progress."""


class Workers:
    """Processes that stay up from one plan to the next; started as a plan asks for more of them."""

    def __init__(self) -> None:
        self._processes: list[asyncio.subprocess.Process] = []
        self._busy: list[asyncio.subprocess.Process] = []  # those that share the load
        self._on_progress: OnProgress = ignore
        self._zero = 0.0
        self._num_planned: int | None = None
        self._counts: dict[int, dict[str, int]] = {}

    async def prepare(self, plan: Plan) -> None:
        """Hand the plan to as many processes as it asks for; go on when each has its connections.

        Raises ChildProcessError.
        """
        while len(self._processes) < plan.scenario.num_processes:
            self._processes.append(await _spawn(len(self._processes)))
        self._busy = self._processes[: plan.scenario.num_processes]
        self._counts.clear()
        for process in self._busy:
            _write(process, plan.model_dump_json())
        for told in await asyncio.gather(*(_read_line(process) for process in self._busy)):
            self._num_planned = told["num_planned"]

    async def run(self, scenario: Scenario, on_progress: OnProgress) -> list[Share]:
        """Carry the load out that was prepared."""
        self._on_progress = on_progress
        self._zero = time.monotonic() + _HEAD_START_SECONDS[scenario.load.loop] + scenario.warm_up_seconds
        for process in self._busy:
            _write(process, f"start {self._zero!r}")
        return await asyncio.gather(*(self._share(number) for number in range(len(self._busy))))

    def stop(self, reason: str) -> None:
        """Break the load off; `run` then returns what there is."""
        for process in self._busy:
            _write(process, f"stop {reason}")

    async def end(self) -> None:
        """End the processes."""
        await asyncio.gather(*(_end_process(process) for process in self._processes))

    async def _share(self, number: int) -> Share:
        process = self._busy[number]
        assert process.stdout is not None
        try:
            while "counts" in (told := await _read_line(process)):
                self._report(number, told["counts"])
            record = Record.from_bytes(await process.stdout.readexactly(told.pop("num_bytes")))
            share = Share(record, **told)
        except (ChildProcessError, asyncio.IncompleteReadError) as error:
            share = Share(None, f"a process of the generator died: {error}", time.monotonic() - self._zero)
        if share.stop_reason:
            self.stop(share.stop_reason)
        return share

    def _report(self, number: int, counts: dict[str, int]) -> None:
        self._counts[number] = counts
        total = {name: sum(count[name] for count in self._counts.values()) for name in counts}
        self._on_progress(Progress(time.monotonic() - self._zero, self._num_planned, total))


async def _spawn(number: int) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tandem.measure.generator.worker", str(number))
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LONGEST_LINE_BYTES, start_new_session=True
    )


async def _read_line(process: asyncio.subprocess.Process) -> Any:
    """Return the next line of a process. Raises ChildProcessError, which says how it has ended."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise ChildProcessError(await _last_words(process))
    return json.loads(line)


def _write(process: asyncio.subprocess.Process, line: str) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, RuntimeError):  # it has ended; its output tells how
        process.stdin.write(line.encode() + b"\n")


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """Return why a process ended: the last line it wrote, as of a traceback."""
    assert process.stderr is not None
    text = (await process.stderr.read()).decode(errors="replace").strip()
    code = await process.wait()
    return text.splitlines()[-1] if text else f"exit code {code}"


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """Let a process end; kill it if it does not."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
