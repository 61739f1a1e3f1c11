"""One instance of a model in a thread of its own: batches in by a mailbox, outcomes back on the event loop.

Leaner than an executor: a pass costs one wake-up each way. Knows nothing of queues or requests.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic

from services.common.batching.request import Payload, Result, Slice

logger = logging.getLogger(__name__)

Run = Callable[[Sequence[Slice[Payload, Result]]], Sequence[Result | Exception]]
"""Computes a batch: one result a slice, or the exception that this one slice ends with. What it raises is all's."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Payload, Result]):
    """What became of a batch: one entry a slice, or what the model raised. Times are monotonic seconds."""

    slices: list[Slice[Payload, Result]]
    results: Sequence[Result | Exception] | BaseException
    started_at: float
    ended_at: float


class InstanceThread(Generic[Payload, Result]):
    """Runs one batch at a time; calls `on_outcome(self, outcome)` on the event loop after each."""

    def __init__(
        self,
        name: str,
        run: Run[Payload, Result],
        on_outcome: Callable[[InstanceThread[Payload, Result], Outcome[Payload, Result]], None],
    ) -> None:
        self._run = run
        self._on_outcome = on_outcome
        self._mailbox: queue.SimpleQueue[list[Slice[Payload, Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._call_soon: Callable[..., object] | None = None

    def start(self) -> None:
        self._call_soon = asyncio.get_running_loop().call_soon_threadsafe
        self._thread.start()

    def give(self, slices: list[Slice[Payload, Result]]) -> None:
        """Run a batch; to be called only before the first and after each outcome."""
        self._mailbox.put(slices)

    async def stop(self) -> None:
        """End the thread after the batch in hand."""
        if self._thread.is_alive():
            self._mailbox.put(None)
            await asyncio.to_thread(self._thread.join)

    def _loop(self) -> None:
        assert self._call_soon is not None  # noqa: S101  start has set it
        while (slices := self._mailbox.get()) is not None:
            outcome = self._outcome(slices)
            try:
                self._call_soon(self._on_outcome, self, outcome)
            except RuntimeError:
                logger.warning("the event loop is closed; a batch is dropped")
            del slices, outcome  # else they would stay until the next batch comes

    def _outcome(self, slices: list[Slice[Payload, Result]]) -> Outcome[Payload, Result]:
        started_at = time.monotonic()
        try:
            results = self._run(slices)
            if len(results) != len(slices):
                raise ValueError(f"{len(results)} results for {len(slices)} slices")
        except BaseException as error:  # whatever it is, the batcher must hear of it
            # Kept in a variable of this frame, which its traceback holds, it would stay for the garbage collector.
            return Outcome(slices, error, started_at, time.monotonic())
        return Outcome(slices, results, started_at, time.monotonic())
