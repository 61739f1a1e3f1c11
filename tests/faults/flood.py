"""Load from a process of its own, so that it takes no time from the event loop of the clients beside it.

`python -m tests.faults.flood hog ADDRESS PARADIGM STREAMS SECONDS` keeps so many streams open on one connection, until
its input ends;
`python -m tests.faults.flood rate ADDRESS PARADIGM PER_SECOND SECONDS` begins heavy unary calls at a steady rate, each
with a deadline. Both print what came of it as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.faults.clients import Client, Ended, closed_loop, open_loop
from tests.faults.loads import MAX_CALLS, PARALLEL, SEQUENTIAL, Paradigm
from tests.faults.server import ROOT, environment

START_AND_END_SECONDS = 60.0
DEADLINE_SECONDS = 2.0


@dataclass
class Flood:
    """How the calls of a flood ended; filled once it is over."""

    path: str = ""
    codes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """From the first call's beginning to the last one's end."""
    refusal_seconds: list[float] = field(default_factory=list)
    """Of each call that was refused, by the flood's own busy loop."""


async def _hog(address: str, paradigm: Paradigm, num_streams: int, seconds: float) -> list[Ended]:
    ending = threading.Thread(target=os.read, args=(sys.stdin.fileno(), 1), daemon=True)
    ending.start()
    async with Client(address) as client:
        return await closed_loop(
            partial(paradigm.stream.call, client),
            num_callers=num_streams,
            max_calls=MAX_CALLS,
            max_seconds=seconds,
            is_over=lambda: not ending.is_alive(),
        )


async def _rate(address: str, paradigm: Paradigm, per_second: float, seconds: float) -> list[Ended]:
    async with Client(address) as client:
        call = partial(paradigm.heavy.call, client, timeout_seconds=DEADLINE_SECONDS)
        return await open_loop(call, per_second=per_second, max_seconds=seconds)


@asynccontextmanager
async def flooding(kind: str, address: str, paradigm: Paradigm, size: float, seconds: float) -> AsyncIterator[Flood]:
    """Run a "hog" of `size` streams, or calls at a "rate" of `size` a second, beside the block.

    Its calls are in the flood once the block is left.
    """
    command = (sys.executable, "-m", "tests.faults.flood", kind, address, paradigm.name, f"{size:g}", f"{seconds:g}")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment(), cwd=ROOT)
    flood = Flood()
    try:
        yield flood
        async with asyncio.timeout(seconds + START_AND_END_SECONDS):
            out, _ = await process.communicate(b"")  # which closes its input
        found = json.loads(out)
        flood.path, flood.codes, flood.seconds = found["path"], Counter(found["codes"]), found["seconds"]
        flood.refusal_seconds = found["refusal_seconds"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def main() -> None:
    kind, address, name, size, seconds = sys.argv[1:6]
    paradigm = SEQUENTIAL if name == SEQUENTIAL.name else PARALLEL
    began = time.monotonic()
    if kind == "hog":
        ended = asyncio.run(_hog(address, paradigm, int(size), float(seconds)))
    else:
        ended = asyncio.run(_rate(address, paradigm, float(size), float(seconds)))
    found = {
        "path": ended[0].path,
        "codes": Counter(each.code for each in ended),
        "seconds": time.monotonic() - began,
        "refusal_seconds": [each.seconds for each in ended if each.code == "RESOURCE_EXHAUSTED"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
