"""The thread that owns an engine which computes in steps: it takes requests, steps, and hands out what is new to all of
them in one call.

Runs in the environment of a peer. Knows no engine: that one is a `Steps`.
"""

import asyncio
import os
import threading
import traceback
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from benchmarks.peers.completions_server import Item, Sink

News = list[tuple[Sink, Item]]
"""What is new to whom."""


@dataclass(eq=False)
class Request:
    """What a client asked for. `num_left`: tokens that it has yet to get."""

    prompt: list[int]
    num_left: int
    sink: Sink

    @property
    def is_over(self) -> bool:
        return self.num_left <= 0


class Steps(Protocol):
    """An engine, used by one thread."""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to compute."""

    def add(self, request: Request) -> None:
        """Take a request, whose `num_left` is the engine's to count from now on."""

    def step(self) -> News:
        """Compute once."""


class BatchingThread:
    """See `benchmarks.peers.completions_server.Generator`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, steps: Steps) -> None:
        self._loop = loop
        self._steps = steps
        self._arrived: deque[Request] = deque()
        self._wake = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def start(self, prompts: list[list[int]], num_tokens: int, sink: Sink) -> None:
        (prompt,) = prompts
        self._arrived.append(Request(prompt, num_tokens, sink))
        self._wake.set()

    def _run(self) -> None:
        try:
            while True:
                if self._steps.is_idle:
                    self._wake.wait()
                self._wake.clear()
                while self._arrived:
                    self._steps.add(self._arrived.popleft())
                if not self._steps.is_idle:
                    self._loop.call_soon_threadsafe(_deliver, self._steps.step())
        except Exception:
            traceback.print_exc()
            os._exit(1)  # this closes the connections, so that clients fail instead of waiting


def _deliver(news: News) -> None:
    for sink, item in news:
        sink(item)
