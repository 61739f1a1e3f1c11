"""An engine that counts up from a prompt's last token, served as the peers are: `python -m ...counting_engine PORT`.

With the word `wrong` behind the port it counts in twos. A prompt that begins with 666 ends the process.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.peers.completions import COMPLETIONS, is_healthy
from benchmarks.peers.completions_server import Sink, serve
from benchmarks.peers.engine import Dialect, Need


class Counting:
    def __init__(self, loop: asyncio.AbstractEventLoop, stride: int) -> None:
        self._loop = loop
        self._stride = stride

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> Callable[[], None]:
        task = self._loop.create_task(self._count(prompts, num_tokens, sink))

        def cancel() -> None:
            task.cancel()

        return cancel

    async def _count(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        if prompts[0][0] == 666:
            print("bad luck", flush=True)
            os._exit(3)
        for step in range(1, num_tokens + 1):
            for row, prompt in enumerate(prompts):
                sink((row, [prompt[-1] + step * self._stride]))
            await asyncio.sleep(0.001)
        sink(None)


@dataclass(frozen=True)
class CountingEngine:
    """The same, as `benchmarks.side_by_side` sees it."""

    name: str = "counting engine"
    module: str = "tests.integration.benchmarks.side_by_side.counting_engine"
    is_static_batch: bool = True
    dialect: Dialect = COMPLETIONS

    def set_up(self) -> dict[str, str]:
        return {"counting": "1"}

    def command(self, need: Need, port: int) -> tuple[str, ...]:
        return (sys.executable, "-m", self.module, str(port))

    def is_ready(self, port: int) -> bool:
        return is_healthy(port)


if __name__ == "__main__":
    stride = 2 if "wrong" in sys.argv else 1
    serve(int(sys.argv[1]), lambda loop: Counting(loop, stride))
