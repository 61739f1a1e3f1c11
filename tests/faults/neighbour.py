"""Clients in a process of their own, so that neither an attack nor the test beside them takes time from their loop.

`python -m tests.faults.neighbour` reads lines: a load, as a name and its arguments, begins its calls; "stop" ends it,
and the calls are written as one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from subprocess import PIPE
from typing import Any

from tests.faults.clients import GENERATE, SAMPLE, Client, Ended, closed_loop, images, open_loop, picture, quantile
from tests.faults.history import History
from tests.faults.loads import MAX_CALLS, PARALLEL, SEQUENTIAL, Paradigm
from tests.faults.server import ROOT, environment

# What a call may end in of which no server need have heard; each counts as a failure of a good client all the same.
NEVER_HEARD = {"light": ("CANCELLED", "UNAVAILABLE", "DEADLINE_EXCEEDED")}
PAUSE_SECONDS = 0.01  # between calls: a light client
CALL_SECONDS = 60.0
DEADLINE_SECONDS = 2.0  # of the calls at a rate
QUIET_SECONDS = 0.5


@dataclass
class Load:
    """The calls of a load; filled once it is over."""

    calls: list[tuple[str, str, float]] = field(default_factory=list)
    """Path, code and seconds of each."""
    seconds: float = 0.0
    """From the first call's beginning to the last one's end."""
    failures: list[str] = field(default_factory=list)
    """What each failed call was told."""

    @property
    def codes(self) -> Counter[str]:
        return Counter(code for _, code, _ in self.calls)

    def seconds_of(self, code: str = "") -> list[float]:
        """Return how long each call took that ended so, or each of all."""
        return [seconds for _, its_code, seconds in self.calls if code in ("", its_code)]


@dataclass(frozen=True)
class Observed:
    """What the good client saw before the attack and beside it."""

    quiet: Load
    beside: Load

    @property
    def slow_down(self) -> float:
        """The 95th percentile beside the attack over that in quiet."""
        beside, quiet = (quantile(load.seconds_of(), 0.95) for load in (self.beside, self.quiet))
        return beside / max(quiet, 1e-4)

    @property
    def slowest_seconds(self) -> float:
        """The slowest call beside the attack."""
        return max(self.beside.seconds_of(), default=0.0)


class Neighbour:
    """The process; one for many rows, and for one load at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @contextlib.asynccontextmanager
    async def load(
        self, kind: str, address: str, *words: object, history: History | None = None
    ) -> AsyncIterator[Load]:
        """Put a load of LOADS on a server while the block runs; then its calls are noted in the history."""
        load = Load()
        self._tell(kind, address, *words)
        try:
            yield load
        finally:
            self._tell("stop")
            assert self._process.stdout is not None
            report = json.loads(await asyncio.to_thread(self._process.stdout.readline))
            load.calls = [(path, code, seconds) for path, code, seconds in report["calls"]]
            load.seconds, load.failures = report["seconds"], report["failures"]
        for path, code, _ in load.calls if history is not None else ():
            if code in NEVER_HEARD.get(kind, ("DEADLINE_EXCEEDED",)):
                history.note_left(path, was_heard=False)
            else:
                history.note(path, code)

    @contextlib.asynccontextmanager
    async def beside(
        self, address: str, paths: Sequence[str], history: History | None = None
    ) -> AsyncIterator[Observed]:
        """Have a good client call for a moment in quiet, then for as long as the block runs."""
        async with self.load("light", address, *paths, history=history) as quiet:
            await asyncio.sleep(QUIET_SECONDS)
        async with self.load("light", address, *paths, history=history) as beside:
            yield Observed(quiet, beside)

    def _tell(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{' '.join(map(str, words))}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def neighbour_process() -> Iterator[Neighbour]:
    """Start the process, and end it."""
    command = (sys.executable, "-m", "tests.faults.neighbour")
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT, env=environment()) as process:
        yield Neighbour(process)  # its input is closed at the end, and so it ends


REQUESTS: dict[str, Any] = {SAMPLE: lambda seed: images(1, seed), GENERATE: lambda seed: picture(seed, max_tokens=4)}


async def _call_lightly(client: Client, stop: asyncio.Event, *paths: str) -> list[Ended]:
    """Make one small call of these paths after another."""
    calls: list[Ended] = []
    while not (stop.is_set() and calls):
        path = paths[len(calls) % len(paths)]
        calls.append(await client.call(path, REQUESTS[path](len(calls)), timeout_seconds=CALL_SECONDS))
        await asyncio.sleep(PAUSE_SECONDS)
    return calls


async def _hog(client: Client, stop: asyncio.Event, paradigm: str, num_streams: str, seconds: str) -> list[Ended]:
    """Keep so many streams open on the one connection, for so long at most."""
    call, bounds = partial(_paradigm(paradigm).stream.call, client), {"max_calls": MAX_CALLS, "is_over": stop.is_set}
    return await closed_loop(call, num_callers=int(num_streams), max_seconds=float(seconds), **bounds)


async def _call_at_a_rate(client: Client, _: asyncio.Event, paradigm: str, rate: str, seconds: str) -> list[Ended]:
    """Begin so many heavy unary calls a second, each with a deadline, for so long."""
    call = partial(_paradigm(paradigm).heavy.call, client, timeout_seconds=DEADLINE_SECONDS)
    return await open_loop(call, per_second=float(rate), max_seconds=float(seconds))


def _paradigm(name: str) -> Paradigm:
    return SEQUENTIAL if name == SEQUENTIAL.name else PARALLEL


LOADS: dict[str, Callable[..., Awaitable[list[Ended]]]] = {"light": _call_lightly, "hog": _hog, "rate": _call_at_a_rate}


async def _report(kind: str, address: str, stop: asyncio.Event, words: Sequence[str]) -> dict[str, Any]:
    async with Client(address) as client:
        began = time.monotonic()
        calls = await LOADS[kind](client, stop, *words)
        seconds = time.monotonic() - began
    failures = [call.failure for call in calls if not call.is_ok]
    return {"calls": [(call.path, call.code, call.seconds) for call in calls], "failures": failures, "seconds": seconds}


async def main() -> None:
    """Serve lines until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while words := (await reader.readline()).decode().split():
        kind, address, *rest = words
        stop = asyncio.Event()
        reporting = asyncio.create_task(_report(kind, address, stop, rest))
        await reader.readline()
        stop.set()
        print(json.dumps(await reporting), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
