"""A light good client beside an attack, in a process of its own so that the attacker's work does not slow it down.

`python -m tests.faults.neighbour` makes one small call after another from the line "go ADDRESS PATH..." until the line
"stop", then writes the calls as one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from subprocess import PIPE
from typing import Any

from tests.faults.clients import GENERATE, SAMPLE, Client, Ended, images, picture, quantile
from tests.faults.history import History
from tests.faults.server import ROOT, environment

# What a call may end in that no handler heard of; each counts as a failure of the row all the same.
NEVER_HEARD = ("CANCELLED", "UNAVAILABLE")
PAUSE_SECONDS = 0.01  # between calls: a light client
CALL_SECONDS = 60.0
QUIET_SECONDS = 0.5


@dataclass
class Observed:
    """What the good client saw: (path, code, seconds) of each call, before the attack (quiet) and beside it."""

    quiet: list[tuple[str, str, float]] = field(default_factory=list)
    beside: list[tuple[str, str, float]] = field(default_factory=list)
    details: str = ""
    """What the first failed call beside the attack was told."""

    async def lasting(self, seconds: float) -> None:
        """Let the attack stand for so long, in which the good client goes on."""
        await asyncio.sleep(seconds)

    @property
    def num_failed(self) -> int:
        """Calls beside the attack that did not end in OK, of all of them if there was none."""
        return sum(code != "OK" for _, code, _ in self.beside) if self.beside else 1

    @property
    def codes(self) -> str:
        """The codes of failed calls and the first one's details, "none" without any."""
        codes = sorted({code for _, code, _ in self.beside} - {"OK"})
        return f"{', '.join(codes)}: {self.details}" if codes else "none"

    @property
    def slow_down(self) -> float:
        """The 95th percentile beside the attack over that in quiet."""
        return _p95(self.beside) / max(_p95(self.quiet), 1e-4)

    @property
    def slowest_seconds(self) -> float:
        """The slowest call beside the attack."""
        return max((seconds for _, _, seconds in self.beside), default=0.0)


def _p95(calls: Sequence[tuple[str, str, float]]) -> float:
    return quantile([seconds for _, _, seconds in calls], 0.95)


class Neighbour:
    """The client's process; one for many rows."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @contextlib.asynccontextmanager
    async def beside(
        self, address: str, paths: Sequence[str], history: History | None = None
    ) -> AsyncIterator[Observed]:
        """Call for a moment in quiet, then for as long as the block runs; the calls are noted in the history."""
        observed = Observed()
        self._tell("go", address, *paths)
        await asyncio.sleep(QUIET_SECONDS)
        observed.quiet, _ = await self._stop(history)
        self._tell("go", address, *paths)
        try:
            yield observed
        finally:
            observed.beside, observed.details = await self._stop(history)

    async def _stop(self, history: History | None) -> tuple[list[tuple[str, str, float]], str]:
        self._tell("stop")
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        report = json.loads(line)
        calls = [(path, code, seconds) for path, code, seconds in report["calls"]]
        if history is not None:
            for path, code, _ in calls:
                if code in NEVER_HEARD:
                    history.note_left(path, was_heard=False)
                else:
                    history.note(path, code)
        return calls, report["details"]

    def _tell(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{' '.join(words)}\n")
        self._process.stdin.flush()


@contextlib.contextmanager
def neighbour_process() -> Iterator[Neighbour]:
    """Start the client's process, and end it."""
    command = (sys.executable, "-m", "tests.faults.neighbour")
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT, env=environment()) as process:
        yield Neighbour(process)  # its input is closed at the end, and so it ends


REQUESTS: dict[str, Any] = {SAMPLE: lambda seed: images(1, seed), GENERATE: lambda seed: picture(seed, max_tokens=4)}


async def _call_until(stop: asyncio.Event, address: str, paths: Sequence[str]) -> list[Ended]:
    calls: list[Ended] = []
    async with Client(address) as client:
        while not (stop.is_set() and calls):
            path = paths[len(calls) % len(paths)]
            calls.append(await client.call(path, REQUESTS[path](len(calls)), timeout_seconds=CALL_SECONDS))
            await asyncio.sleep(PAUSE_SECONDS)
    return calls


async def main() -> None:
    """Serve lines until the input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while words := (await reader.readline()).decode().split():
        stop = asyncio.Event()
        calling = asyncio.create_task(_call_until(stop, words[1], words[2:]))
        await reader.readline()
        stop.set()
        print(json.dumps(_report(await calling)), flush=True)


def _report(calls: Sequence[Ended]) -> dict[str, Any]:
    failed = (call.details for call in calls if not call.is_ok)
    return {"calls": [(call.path, call.code, call.seconds) for call in calls], "details": next(failed, "")[:200]}


if __name__ == "__main__":
    asyncio.run(main())
