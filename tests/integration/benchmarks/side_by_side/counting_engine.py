"""An engine that counts up from a prompt's last token, served as the peers are: `python -m ...counting_engine PORT`.

With the word `wrong` behind the port it counts in twos. A prompt that begins with 666 ends the process.
"""

import asyncio
import os
import sys

from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.completions_server import Sink, serve
from benchmarks.peers.engine import Dialect, Engine, Need


class Counting:
    def __init__(self, loop: asyncio.AbstractEventLoop, stride: int) -> None:
        self._loop = loop
        self._stride = stride

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        self._task = self._loop.create_task(self._count(prompts, num_tokens, sink))

    async def _count(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        if prompts[0][0] == 666:
            print("bad luck", flush=True)
            os._exit(3)
        for step in range(1, num_tokens + 1):
            for row, prompt in enumerate(prompts):
                sink((row, [prompt[-1] + step * self._stride]))
            await asyncio.sleep(0.001)
        sink(None)


def counting_engine(
    name: str = "counting engine",
    module: str = "tests.integration.benchmarks.side_by_side.counting_engine",
    words: tuple[str, ...] = (),
    dialect: Dialect = COMPLETIONS,
    is_static_batch: bool = True,
) -> Engine:
    """Return the same, as `benchmarks.side_by_side` sees it; `words` stand behind the port."""

    def command(need: Need, port: int) -> tuple[str, ...]:
        return (sys.executable, "-m", module, str(port), *words)

    return Engine(name, dialect, lambda: {"counting": "1"}, command, is_static_batch=is_static_batch)


if __name__ == "__main__":
    stride = 2 if "wrong" in sys.argv else 1
    serve(int(sys.argv[1]), lambda loop: Counting(loop, stride))
